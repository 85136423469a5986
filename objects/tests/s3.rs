//! The same promises on a store that speaks S3. Run by hand against a real one, or an imitation such as
//! `moto_server`: see docs/configuration.md for the variables.
#![cfg(feature = "s3")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, io::Read as _};

use cu_objects::{Objects, Sum};

#[test]
#[ignore = "needs a bucket: set CU_S3=s3://BUCKET/PREFIX to an empty place, and AWS_…"]
fn a_bucket_keeps_what_a_folder_keeps() {
    let place = std::env::var("CU_S3").unwrap();
    let objects = Objects::open(&place).unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(objects.list("").unwrap(), []);

    objects.put_bytes("a/one.json", "one").unwrap();
    objects.put_bytes("a/one.json", "three").unwrap();
    objects.put_bytes("ab/two.json", "two").unwrap();
    assert_eq!(objects.get_bytes("a/one.json", 5).unwrap(), b"three");
    let listed = objects.list("a").unwrap();
    assert_eq!(listed.iter().map(|o| (o.name.as_str(), o.bytes)).collect::<Vec<_>>(), [("a/one.json", 5)]);
    assert_eq!(objects.size("a/one.json").unwrap(), Some(5));
    assert!(!objects.exists("a/none").unwrap());
    assert!(objects.reader("a/none").unwrap_err().is_not_found());

    // One part, and several.
    for length in [0, 1000, 40 << 20] {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 253) as u8).collect();
        let (there, back) = (folder.path().join("there"), folder.path().join(format!("back-{length}")));
        fs::write(&there, &bytes).unwrap();
        assert_eq!(objects.put_file("a/file", &there).unwrap(), Sum::of(&bytes));
        assert_eq!(objects.get_file("a/file", &back).unwrap(), Sum::of(&bytes));
        assert_eq!(objects.sum("a/file").unwrap(), Sum::of(&bytes));
        let mut read = Vec::new();
        objects.reader("a/file").unwrap().read_to_end(&mut read).unwrap();
        assert!(read == bytes);
    }
    // Also from a thread that belongs to another runtime.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(async { objects.exists("a/file").unwrap() }));

    for object in objects.list("").unwrap() {
        objects.delete(&object.name).unwrap();
        objects.delete(&object.name).unwrap();
    }
    assert_eq!(objects.list("").unwrap(), []);
}

#[test]
#[ignore = "needs a bucket: set CU_S3=s3://BUCKET/PREFIX to an empty place, and AWS_…"]
fn a_bucket_that_is_not_there_is_named() {
    let objects = Objects::open("s3://no-such-bucket/x").unwrap();
    let error = objects.put_bytes("a", "x").unwrap_err();
    let text = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source());
    let text: Vec<String> = text.map(ToString::to_string).collect();
    assert!(text.join(": ").contains("NoSuchBucket"), "{text:?}");
}
