//! slipway beside MLflow's own server: answers compared field by field, and imports from it over its API and from its database.

use std::path::Path;
use std::process::Command;

#[test]
fn answers_are_those_of_mlflow_but_for_the_listed_differences_and_imports_are_equal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (client, original) = (root.join(".venv-mlflow/bin/python"), root.join(".venv-mlflow-server/bin/mlflow"));
    assert!(client.exists() && original.exists(), "`make test` makes .venv-mlflow and .venv-mlflow-server");
    let folder = std::env::temp_dir().join(format!("slipway_compare_{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    let output = Command::new(client)
        .arg(root.join("tests/compat/compare.py"))
        .args([Path::new(env!("CARGO_BIN_EXE_slipway")), &original, &folder])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{wrong}");
    assert_eq!(said.lines().last(), Some("compare ok"));
    std::fs::remove_dir_all(&folder).unwrap();
}
