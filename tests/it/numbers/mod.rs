//! Numbers that somebody else has to agree with: onnx, ONNX Runtime and scikit-learn, in the Python of `.venv`.

mod onnx;
mod operators;
mod sklearn;

use std::path::{Path, PathBuf};
use std::process::Command;

use slipway::infer::tensor::{Tensor, TensorData};
use slipway::ml::{Column, NamedColumn, Table};

/// A folder that goes away when the test passes, and stays to be looked at when it fails.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("slipway-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("left for you to look at: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// Runs a script of tests/python on a folder; returns what it prints.
fn python(script: &str, folder: &Folder, more: &[&Path]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let interpreter = root.join(".venv/bin/python");
    assert!(interpreter.exists(), "{} is missing: `make test` builds it, or scripts/python.sh alone", interpreter.display());
    let output = Command::new(interpreter)
        .arg(root.join("tests/python").join(script))
        .arg(&folder.0)
        .args(more)
        .env("OMP_NUM_THREADS", "1")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script} disagrees\n{out}\n{err}");
    println!("{out}");
    out.into_owned()
}

/// A data set beside the repository; `None`, said aloud, where it is not.
fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// Reads the first rows of a file: numbers where a column has nothing else, else text.
fn read_csv(path: &Path, rows: usize) -> Table {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().take(rows).map(Result::unwrap).collect();
    let column = |at: usize| {
        let texts = || records.iter().map(|record| &record[at]);
        match texts().map(|text| text.parse().ok()).collect::<Option<Vec<f32>>>() {
            Some(numbers) => Column::Numeric(numbers),
            None => Column::from_texts(texts().map(Some)),
        }
    };
    Table::new(names.iter().enumerate().map(|(at, name)| NamedColumn { name: name.clone(), column: column(at) }).collect()).unwrap()
}

fn columns(names: &[&str], table: &Table) -> Table {
    let pick = |name: &&str| NamedColumn { name: (*name).to_owned(), column: table.get(name).unwrap().clone() };
    Table::new(names.iter().map(pick).collect()).unwrap()
}

fn floats(tensor: &Tensor) -> &[f32] {
    match &tensor.data {
        TensorData::Fp32(values) => values,
        other => panic!("single precision is expected, not {:?}", other.data_type()),
    }
}
