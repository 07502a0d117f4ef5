//! Who may speak to the API server: the users it is started with, and their kubeconfig files.
//! What a user may do there is RBAC's affair and with the tests.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::folder::write_private;

/// Name, groups. `admin` and the controllers may do everything; `operator` may do what a test grants it. The last
/// four are those of a node, with what Kubernetes itself binds to their names; `coredns` is granted what it reads.
const USERS: [(&str, &str); 7] = [
    ("admin", "system:masters"),
    ("operator", ""),
    ("kube-controller-manager", "system:masters"),
    ("system:kube-scheduler", ""),
    ("system:kube-proxy", ""),
    ("system:node:node1", "system:nodes"),
    ("coredns", ""),
];

/// The file that the API server reads the tokens from.
const TOKENS: &str = "tokens.csv";

/// Makes a token for each user and writes the API server's token file.
pub(crate) fn write_tokens(folder: &Path) -> Result<PathBuf> {
    let lines: String = USERS
        .iter()
        .map(|(name, groups)| {
            // An empty column would be a group with an empty name.
            let groups = if groups.is_empty() { String::new() } else { format!(",\"{groups}\"") };
            format!("{},{name},{name}{groups}\n", crate::random_hex())
        })
        .collect();
    write_private(folder, TOKENS, &lines)
}

/// The token of `user`, from the file in `folder`.
pub(crate) fn token(folder: &Path, user: &str) -> Result<String> {
    let path = folder.join(TOKENS);
    let text = std::fs::read_to_string(&path).map_err(Error::file("cannot read the token file", &path))?;
    text.lines()
        .filter_map(|line| line.split_once(','))
        .find(|(_, rest)| rest.split(',').next() == Some(user))
        .map(|(token, _)| token.to_owned())
        .ok_or_else(|| Error::UnknownUser {
            user: user.to_owned(),
            known: USERS.map(|(name, _)| name).join(", "),
        })
}

/// Writes `<name>.kubeconfig` for the holder of `token` at `server`, whose certificate is in `authority`.
pub(crate) fn write_kubeconfig(
    folder: &Path,
    name: &str,
    server: &str,
    authority: &Path,
    token: &str,
) -> Result<PathBuf> {
    // JSON is YAML, and escapes a path with any character in it.
    let document = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": "testbed", "user": name}}],
        "current-context": name,
    });
    write_private(folder, &format!("{name}.kubeconfig"), &format!("{document:#}\n"))
}
