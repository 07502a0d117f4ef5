//! The manifest that a release has for krew, made by the release's own script from programs of no weight: each field is
//! one that krew knows, and says of the archives what is so.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use agora_snapshot_testbed::Folder;
use regex::Regex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const TAG: &str = "v1.2.3-rc.4";
const PLATFORMS: [(&str, &str); 4] =
    [("linux", "amd64"), ("linux", "arm64"), ("darwin", "amd64"), ("darwin", "arm64")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the script for these platforms, into a folder `files` below `folder`.
fn make(folder: &Path, platforms: &[(&str, &str)]) -> std::process::Output {
    let files = folder.join("files");
    std::fs::create_dir_all(&files).expect("a folder");
    for (os, arch) in platforms {
        let place = folder.join(format!("programs/{os}-{arch}"));
        std::fs::create_dir_all(&place).expect("a folder");
        // As an artifact comes back: without the right to be run.
        let program = place.join("kubectl-snapshotjob");
        std::fs::write(&program, format!("#!/bin/sh\necho {os} {arch}\n")).expect("a program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).expect("rights");
    }
    Command::new(root().join(".github/release/plugin"))
        .arg(&files)
        .arg(TAG)
        .arg(folder.join("programs"))
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .expect("the script runs")
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn the_manifest_of_a_release_is_krews_and_tells_the_truth_about_the_archives() {
    let folder = Folder::new("krew").expect("a folder");
    let made = make(folder.path(), &PLATFORMS);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let files = folder.path().join("files");
    let text = std::fs::read_to_string(files.join("snapshotjob.yaml")).expect("a manifest");
    assert!(!text.contains("VERSION"), "{text}");
    let manifest: Value = serde_saphyr::from_str(&text).expect("YAML");

    // What krew's own validation asks of a manifest (internal/index/validation).
    assert_eq!(keys(&manifest), BTreeSet::from(["apiVersion", "kind", "metadata", "spec"]));
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(
        (&manifest["kind"], &manifest["metadata"]),
        (&json!("Plugin"), &json!({"name": "snapshotjob"}))
    );
    let spec = &manifest["spec"];
    assert_eq!(
        keys(spec),
        BTreeSet::from(["version", "homepage", "shortDescription", "description", "caveats", "platforms"])
    );
    assert_eq!(spec["version"], TAG);
    let short = spec["shortDescription"].as_str().expect("text");
    assert!(short.len() <= 80 && !short.contains('\n') && !short.ends_with('.'), "{short}");
    assert!(spec["caveats"].as_str().expect("text").contains(&format!("/blob/{TAG}/docs/plugin.md")));

    let platforms = spec["platforms"].as_array().expect("platforms");
    assert_eq!(platforms.len(), PLATFORMS.len());
    let mut archives = BTreeSet::from(["snapshotjob.yaml".to_owned()]);
    let sum = Regex::new("^[0-9a-f]{64}$").expect("a pattern");
    for (platform, (os, arch)) in platforms.iter().zip(PLATFORMS) {
        assert_eq!(keys(platform), BTreeSet::from(["selector", "uri", "sha256", "bin", "files"]));
        assert_eq!(platform["selector"], json!({"matchLabels": {"os": os, "arch": arch}}));
        let uri = platform["uri"].as_str().expect("text");
        let of_release = format!("{}/releases/download/{TAG}/", spec["homepage"].as_str().expect("text"));
        let name = uri.strip_prefix(&of_release).unwrap_or_else(|| panic!("{uri} is not below {of_release}"));
        let archive = files.join(name);
        let told = platform["sha256"].as_str().expect("text");
        let found = hex::encode(Sha256::digest(std::fs::read(&archive).expect("the archive is there")));
        assert!(sum.is_match(told) && told == found, "{name}: {told}, but it is {found}");
        archives.insert(name.to_owned());

        let unpacked = folder.path().join(format!("{os}-{arch}"));
        std::fs::create_dir(&unpacked).expect("a folder");
        let tar =
            Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&unpacked).status().expect("tar");
        assert!(tar.success());
        let entries = std::fs::read_dir(&unpacked).expect("a folder");
        let inside: BTreeSet<_> = entries
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        let taken: BTreeSet<_> = platform["files"]
            .as_array()
            .expect("files")
            .iter()
            .collect::<Vec<_>>()
            .iter()
            .map(|file| {
                assert_eq!(file["to"], ".");
                file["from"].as_str().expect("text").to_owned()
            })
            .collect();
        assert_eq!(taken, inside, "{name}");
        assert_eq!(std::fs::read(unpacked.join("LICENSE")).ok(), std::fs::read(root().join("LICENSE")).ok());
        let program = unpacked.join(platform["bin"].as_str().expect("text"));
        let ran = Command::new(&program).output().expect("the program may be run");
        assert_eq!(String::from_utf8_lossy(&ran.stdout), format!("{os} {arch}\n"));
    }
    let there: BTreeSet<_> = std::fs::read_dir(&files)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, archives);

    // The same programs make the same archives, or a second run of a release would not fit its manifest.
    let again = make(folder.path(), &PLATFORMS);
    assert!(again.status.success());
    assert_eq!(std::fs::read_to_string(files.join("snapshotjob.yaml")).expect("a manifest"), text);
}

#[test]
fn a_release_without_one_of_the_programs_is_none() {
    let folder = Folder::new("krew").expect("a folder");
    let made = make(folder.path(), &PLATFORMS[..3]);
    assert!(!made.status.success());
    let told = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(told.contains("darwin-arm64 is missing"), "{told}");
}

#[test]
fn the_workflow_builds_every_platform_of_the_manifest_before_it_packs_them() {
    let text = std::fs::read_to_string(root().join(".github/workflows/release.yaml")).expect("a workflow");
    let workflow: Value = serde_saphyr::from_str(&text).expect("YAML");
    let built = workflow["jobs"]["plugin"]["strategy"]["matrix"]["include"].as_array().expect("platforms");
    let built: Vec<&str> = built.iter().map(|it| it["platform"].as_str().expect("text")).collect();
    assert_eq!(built, PLATFORMS.map(|(os, arch)| format!("{os}-{arch}")));
    let runs: Vec<&str> = workflow["jobs"]["release"]["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["run"].as_str())
        .collect();
    let at =
        |what: &str| runs.iter().position(|run| run.contains(what)).unwrap_or_else(|| panic!("no {what}"));
    assert!(at(".github/release/plugin files") < at(".github/release/files"), "checksums are of all files");
}
