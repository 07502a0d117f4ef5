//! The schemas that kubeconform validates against, made once from what Kubernetes and the Prometheus operator publish
//! with their source and kept in the cache: closed, so that a field that does not exist is an error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::programs::repository;

/// The newest patch release of each minor release that is supported, with the checksum of its Go module.
pub(crate) const KUBERNETES: [(&str, &str); 5] = [
    ("v1.33.13", "h1:bmH31xUdSzeA5vk0wZAK9MZp11mdLuzUSeKk0qN3hPQ="),
    ("v1.34.4", "h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk="),
    ("v1.35.4", "h1:o/8dBC/pHVpYoGV4OAIytAlNPZbdYVTXJHoYvXC4qzM="),
    ("v1.36.3", "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o="),
    ("v1.37.2", "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="),
];

/// Where the definitions of PodMonitor, ServiceMonitor and PrometheusRule come from.
const PROMETHEUS_OPERATOR: (&str, &str) = ("v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=");

/// Change it when what is made below changes, so that nobody validates against what an earlier state made.
const GENERATION: u32 = 1;

/// Folder with `VERSION/KIND-GROUP-VERSION.json`; made by the first test that asks.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = cache().join(format!("schemas-{GENERATION}"));
        for (version, sum) in KUBERNETES {
            publish(&folder.join(version), |work| {
                let source = module("k8s.io/kubernetes", version, sum);
                kubernetes(&source.join("api/openapi-spec/swagger.json"), work);
            });
        }
        let (version, sum) = PROMETHEUS_OPERATOR;
        publish(&folder.join(format!("prometheus-operator-{version}")), |work| {
            let source = module("github.com/prometheus-operator/prometheus-operator", version, sum);
            for kind in ["podmonitors", "servicemonitors", "prometheusrules"] {
                let file = format!("example/prometheus-operator-crd/monitoring.coreos.com_{kind}.yaml");
                custom(&read(&source.join(file)), work);
            }
        });
        folder
    })
}

/// Writes the schemas of our own resource to `folder`; they change with the source, so that they are not cached.
pub(crate) fn own(folder: &Path) {
    custom(&read(&repository().join("crds/agora-snapshot.dev_snapshotjobs.yaml")), folder);
}

/// Where kubeconform looks: the release, then what comes from custom resource definitions.
pub(crate) fn locations(own: &Path) -> Vec<String> {
    let file = "{{.ResourceKind}}{{.KindSuffix}}.json";
    let folder = folder().display();
    vec![
        format!("{folder}/{{{{.NormalizedKubernetesVersion}}}}/{file}"),
        format!("{folder}/prometheus-operator-{}/{file}", PROMETHEUS_OPERATOR.0),
        format!("{}/{file}", own.display()),
    ]
}

fn cache() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("AGORA_SNAPSHOT_CACHE").unwrap_or_else(|| {
        let general = variable("XDG_CACHE_HOME")
            .unwrap_or_else(|| variable("HOME").expect("HOME is set").join(".cache"));
        general.join("agora-snapshot-operator")
    })
}

/// Fills a folder beside its place and moves it there whole, so that two runs at once do not see halves.
fn publish(place: &Path, fill: impl FnOnce(&Path)) {
    if place.is_dir() {
        return;
    }
    let parent = place.parent().expect("a folder");
    std::fs::create_dir_all(parent).expect("the cache can be made");
    let name = place.file_name().expect("a name").to_string_lossy();
    let work = parent.join(format!(".work.{name}.{}", std::process::id()));
    std::fs::create_dir_all(&work).expect("a folder in the cache");
    eprintln!("schemas: making those of {name}, once");
    fill(&work);
    if std::fs::rename(&work, place).is_err() {
        // Another run was first, with the same.
        std::fs::remove_dir_all(&work).expect("our own folder");
        assert!(place.is_dir(), "{} cannot be written", place.display());
    }
}

/// The unpacked source of a Go module, which must be the one that is meant.
fn module(path: &str, version: &str, sum: &str) -> PathBuf {
    let output = Command::new("go")
        .args(["mod", "download", "-json", &format!("{path}@{version}")])
        .current_dir(std::env::temp_dir())
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=mod")
        .output()
        .expect("go is installed");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let words = String::from_utf8_lossy(&output.stderr);
    let folder =
        answer["Dir"].as_str().unwrap_or_else(|| panic!("{path}@{version}: {} {words}", answer["Error"]));
    assert_eq!(answer["Sum"], sum, "{path}@{version} is not what it was");
    folder.into()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes a schema under the name that kubeconform asks for.
fn write(folder: &Path, group: &str, version: &str, kind: &str, schema: &Value) {
    let group = group.split('.').next().filter(|group| !group.is_empty());
    let suffix = group.map_or(version.to_owned(), |group| format!("{group}-{version}"));
    let path = folder.join(format!("{}-{suffix}.json", kind.to_lowercase()));
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(path, schema.to_string()).expect("a schema can be written");
}

/// The kinds of a release of Kubernetes: each with the definitions that it leads to.
fn kubernetes(swagger: &Path, folder: &Path) {
    let document: Value = serde_json::from_str(&read(swagger)).expect("JSON");
    let definitions = document["definitions"].as_object().expect("definitions");
    for (name, definition) in definitions {
        for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let field = |field: &str| kind[field].as_str().expect("a word");
            // Options and lists have the kinds of all groups; nobody applies them.
            if definition["properties"]["metadata"].is_null() || field("kind").ends_with("List") {
                continue;
            }
            let mut reached = BTreeSet::new();
            reach(name, definitions, &mut reached);
            let closed = reached.iter().map(|name| (name.clone(), closed(&definitions[name])));
            let mut schema = json!({"definitions": closed.collect::<Map<_, _>>()});
            schema["$ref"] = json!(format!("#/definitions/{name}"));
            write(folder, field("group"), field("version"), field("kind"), &schema);
        }
    }
}

/// Names of all definitions that this one refers to, itself included.
fn reach(name: &str, definitions: &Map<String, Value>, reached: &mut BTreeSet<String>) {
    if !reached.insert(name.to_owned()) {
        return;
    }
    let mut open = vec![&definitions[name]];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(target) = map.get("$ref").and_then(Value::as_str) {
                    reach(target.trim_start_matches("#/definitions/"), definitions, reached);
                }
                open.extend(map.values());
            }
            Value::Array(list) => open.extend(list),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Every version of a CustomResourceDefinition.
fn custom(yaml: &str, folder: &Path) {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    for definition in documents {
        let spec = &definition["spec"];
        let word = |value: &Value| value.as_str().expect("a word").to_owned();
        for version in spec["versions"].as_array().expect("versions") {
            let mut schema = closed(&version["schema"]["openAPIV3Schema"]);
            // The API server's own, which the definition leaves open.
            schema["properties"]["metadata"] = json!({"type": "object"});
            write(
                folder,
                &word(&spec["group"]),
                &word(&version["name"]),
                &word(&spec["names"]["kind"]),
                &schema,
            );
        }
    }
}

/// The schema with every object of known fields closed, and what Kubernetes says in words of its own said in those of
/// JSON schema.
fn closed(schema: &Value) -> Value {
    let Some(map) = schema.as_object() else { return schema.clone() };
    if map.get("x-kubernetes-int-or-string") == Some(&json!(true))
        || map.get("format") == Some(&json!("int-or-string"))
    {
        return json!({"type": ["integer", "string"]});
    }
    let mut result = Map::new();
    for (key, value) in map {
        let value = match key.as_str() {
            "properties" => {
                let fields = value.as_object().expect("fields").iter();
                Value::Object(fields.map(|(name, field)| (name.clone(), closed(field))).collect())
            }
            "items" | "additionalProperties" => closed(value),
            "$ref" | "type" | "enum" | "required" | "minimum" | "maximum" | "minLength" | "maxLength"
            | "minItems" | "maxItems" | "pattern" => value.clone(),
            _ => continue,
        };
        result.insert(key.clone(), value);
    }
    let open = map.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    if result.contains_key("properties") && !result.contains_key("additionalProperties") && !open {
        result.insert("additionalProperties".into(), json!(false));
    }
    Value::Object(result)
}
