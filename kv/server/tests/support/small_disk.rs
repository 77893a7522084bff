//! A disk that is soon full: a tmpfs, where the test may mount one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A mounted tmpfs. Dropping it unmounts it.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Moves the directory `path` onto a small disk; `None` if this user may not mount, or this system has no tmpfs.
    pub fn mount(path: &Path) -> Option<SmallDisk> {
        let aside = path.with_extension("aside");
        std::fs::rename(path, &aside).unwrap();
        std::fs::create_dir(path).unwrap();
        let mounted = run("mount", &["-t", "tmpfs", "-o", "size=24m", "tinykv-test"], path);
        let disk = mounted.then(|| SmallDisk(path.to_owned()));
        // Journals are mostly holes, which take no room if they stay holes.
        let from = format!("{}/.", aside.display());
        assert!(run("cp", &["-a", "--sparse=always", &from], path), "the store does not fit on a small disk");
        disk
    }

    /// Gives it room.
    pub fn enlarge(&self) {
        assert!(run("mount", &["-o", "remount,size=512m"], &self.0));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.0);
    }
}

fn run(program: &str, args: &[&str], path: &Path) -> bool {
    let mut command = Command::new(program);
    let status = command.args(args).arg(path).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
