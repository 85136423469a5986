//! Generates the wire types from the `.proto` files, without `protoc` on the machine.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["cityunion/v1/log.proto", "cityunion/v1/issuer.proto", "cityunion/v1/ingest.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let set = protox::compile(files, ["."])?;
    // Written by hand in src/rows.rs.
    let mut generator = tonic_prost_build::configure().bytes(".");
    for row in ["Total", "Position", "Net", "AccountPosition"] {
        generator = generator.extern_path(format!(".cityunion.v1.{row}"), format!("crate::rows::{row}"));
    }
    generator.compile_fds(set)?;
    Ok(())
}
