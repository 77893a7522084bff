//! Stands in for `protoc` while `raft-proto` is built, so that the benchmark needs no C++ compiler of protocol buffers.
//!
//! Understands exactly what prost-build 0.11 says:
//! `protoc --include_imports --include_source_info -o OUT -I DIR... FILE...`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = None;
    let mut includes = Vec::new();
    let mut files = Vec::new();
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--include_imports" | "--include_source_info") => {}
            Some("-o") => out = args.next().map(PathBuf::from),
            Some("-I") => includes.extend(args.next().map(PathBuf::from)),
            Some(flag) if flag.starts_with('-') => {
                return Err(format!("argument {flag} is not understood").into());
            }
            _ => files.push(PathBuf::from(arg)),
        }
    }
    let out = out.ok_or("no -o OUT given")?;
    let mut compiler = protox::Compiler::new(includes)?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;
    std::fs::write(out, compiler.encode_file_descriptor_set())?;
    Ok(())
}
