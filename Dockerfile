# The images of the operator (the default target) and of the simulator (--target simulator): one static binary each,
# and CA certificates. tests/e2e/images/build builds both from this file, also where no registry can be reached.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag agora-snapshot-operator .
#
# The base is pinned by the digest of its multi-platform index: every platform is built natively (or emulated) from the
# same line. To renew it: `docker buildx imagetools inspect rust:VERSION-slim-trixie`, then tag and digest together.
ARG BUILDER_IMAGE=docker.io/library/rust:1.95.0-slim-trixie@sha256:e14e87345b4d5964ddcc3491d27ee046a0f23820f340c3c1e24da6880141f7c0
ARG FINAL_IMAGE=scratch

FROM ${BUILDER_IMAGE} AS builder

# Writes the list of crates into the binaries, where scanners find it (Trivy, Grype, Syft, cargo audit).
ARG CARGO_AUDITABLE_VERSION=0.7.7
RUN cargo install --quiet --locked cargo-auditable --version "${CARGO_AUDITABLE_VERSION}" --root /usr/local

# glibc is linked in: its allocator serves many threads better than musl's. Naming a target keeps these flags away from
# build scripts and procedural macros, which cannot be static. The folders of the sources are cut off, so that a binary
# does not depend on where it was built.
ENV CARGO_BUILD_TARGET=host-tuple \
    CARGO_INCREMENTAL=0 \
    CARGO_TARGET_DIR=/target \
    CFLAGS="-ffile-prefix-map=/usr/local/cargo/registry/src=crates -ffile-prefix-map=/target=target" \
    RUSTFLAGS="-Ctarget-feature=+crt-static --remap-path-prefix=/build=. --remap-path-prefix=/usr/local/cargo/registry/src=crates"
WORKDIR /build

# The dependencies are a layer of their own, built for empty programs: it stays as it is while manifests do.
COPY Cargo.toml Cargo.lock ./
COPY simulator/Cargo.toml simulator/
COPY tests/testbed/Cargo.toml tests/testbed/
RUN mkdir -p src simulator/src tests/testbed/src \
 && touch src/lib.rs simulator/src/lib.rs tests/testbed/src/lib.rs \
 && for package in . simulator tests/testbed; do echo 'fn main() {}' > "$package/src/main.rs"; done \
 && cargo auditable build --release --locked --bins --package agora-snapshot-operator --package agora-simulator

# `touch`: cargo goes by times, and a file from a checkout may be older than the empty program that it replaces.
ARG AGORA_SNAPSHOT_COMMIT=unknown
COPY simulator/src simulator/src
COPY src src
RUN find src simulator/src -type f -exec touch {} + \
 && cargo auditable build --release --locked --bins --package agora-snapshot-operator --package agora-simulator \
 && for program in agora-snapshot-operator agora-simulator; do \
      install -D -m 0755 "$(echo /target/*-linux-gnu/release/$program)" "/images/$program/usr/local/bin/$program" || exit 1; \
    done \
 && rm -rf /target

# The files of each image, all with the time of the commit. What the source was stands in a file, too: builders that
# tell layers apart by their files alone would otherwise give an image the times and labels of an earlier one.
ARG SOURCE_DATE_EPOCH=0
ARG VERSION=unknown
COPY LICENSE ./
RUN for root in /images/*; do \
      install -D -m 0644 -t "$root/etc/ssl/certs" /etc/ssl/certs/ca-certificates.crt \
      && install -D -m 0644 -t "$root/licenses" LICENSE \
      && echo "$VERSION $AGORA_SNAPSHOT_COMMIT $SOURCE_DATE_EPOCH" > "$root/licenses/source" \
      && echo 'nonroot:x:65532:65532:nonroot:/:/sbin/nologin' > "$root/etc/passwd" \
      && echo 'nonroot:x:65532:' > "$root/etc/group" \
      || exit 1; \
    done \
 && find /images -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

FROM ${FINAL_IMAGE} AS simulator
ARG AGORA_SNAPSHOT_COMMIT=unknown
ARG VERSION=unknown
COPY --from=builder /images/agora-simulator /
LABEL org.opencontainers.image.title="agora-simulator" \
      org.opencontainers.image.description="A strict, stateful stand-in for the Agora cloud recording REST API, for tests and demos" \
      org.opencontainers.image.source="https://github.com/agora-snapshot/agora-snapshot-operator" \
      org.opencontainers.image.documentation="https://github.com/agora-snapshot/agora-snapshot-operator/blob/main/simulator/README.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${AGORA_SNAPSHOT_COMMIT}"
ENV AGORA_SIMULATOR_LISTEN=0.0.0.0:8080
EXPOSE 8080
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/agora-simulator"]

FROM ${FINAL_IMAGE} AS operator
ARG AGORA_SNAPSHOT_COMMIT=unknown
ARG VERSION=unknown
COPY --from=builder /images/agora-snapshot-operator /
LABEL org.opencontainers.image.title="agora-snapshot-operator" \
      org.opencontainers.image.description="Kubernetes operator that keeps Agora channel snapshots flowing into your own bucket" \
      org.opencontainers.image.source="https://github.com/agora-snapshot/agora-snapshot-operator" \
      org.opencontainers.image.documentation="https://github.com/agora-snapshot/agora-snapshot-operator#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${AGORA_SNAPSHOT_COMMIT}"
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/agora-snapshot-operator"]
CMD ["run"]
