//! A Postgres of a test's own, which it may stop as a power cut would.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::s3::Folder;

/// A private cluster on a free port of 127.0.0.1, removed on drop.
pub struct Cluster {
    bin: PathBuf,
    folder: Folder,
    port: u16,
}

impl Cluster {
    /// Makes and starts one; none where the programs of the server are not installed, as with a server on another machine.
    pub fn start() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut bins: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
        bins.sort();
        let bin = bins.pop().filter(|bin| bin.join("initdb").exists())?;
        let folder = Folder::new("cluster");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { bin, folder, port };
        if is_root() {
            assert!(Command::new("chown").arg("postgres").arg(cluster.folder.path()).status().unwrap().success());
        }
        cluster.run("initdb", &["-U", "postgres", "-A", "trust"]);
        cluster.up();
        Some(cluster)
    }

    /// The database that is there from the start.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends all of its processes at once, and starts it again: it recovers from what was synced.
    pub fn crash(&self) {
        self.run("pg_ctl", &["-m", "immediate", "-w", "stop"]);
        self.up();
    }

    fn up(&self) {
        let folder = self.folder.path().display();
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{folder}'", self.port);
        self.run("pg_ctl", &["-w", "-t", "120", "-l", &format!("{folder}/log"), "-o", &options, "start"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.bin.join(program);
        let data = self.folder.path().join("data");
        let mut command = if is_root() { as_postgres(&program) } else { Command::new(&program) };
        // the server keeps what it inherits open: no pipes
        let output = std::fs::File::create(self.folder.path().join("output")).unwrap();
        let status = command.arg("-D").arg(&data).args(arguments).stdout(output).stderr(std::process::Stdio::null()).status().unwrap();
        assert!(status.success(), "{} {arguments:?}: {status}", program.display());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.run("pg_ctl", &["-m", "immediate", "-w", "stop"]);
        }
    }
}

/// Postgres refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}
