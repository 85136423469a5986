//! A folder as an object store.

use std::{fs, io::Read as _, path::Path, time::Duration};

use crate::{Objects, ObjectsError, Sum};

fn open(folder: &Path) -> Objects {
    Objects::open(folder.to_str().unwrap()).unwrap()
}

fn names(objects: &Objects, prefix: &str) -> Vec<String> {
    objects.list(prefix).unwrap().into_iter().map(|object| object.name).collect()
}

#[test]
fn what_was_put_is_read_listed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(&folder.path().join("made"));
    objects.put_bytes("snapshots/partition-1/a.json", "one").unwrap();
    objects.put_bytes("snapshots/partition-10/b.json", "two").unwrap();
    objects.put_bytes("snapshots/partition-1/a.json", "three").unwrap();

    assert_eq!(objects.get_bytes("snapshots/partition-1/a.json", 5).unwrap(), b"three");
    assert_eq!(objects.size("snapshots/partition-1/a.json").unwrap(), Some(5));
    assert_eq!(names(&objects, "snapshots/partition-1"), ["snapshots/partition-1/a.json"]);
    assert_eq!(names(&objects, "").len(), 2);
    assert_eq!(names(&objects, "archive"), [""; 0]);

    // Another process sees the same.
    let again = open(&folder.path().join("made"));
    again.delete("snapshots/partition-1/a.json").unwrap();
    again.delete("snapshots/partition-1/a.json").unwrap();
    assert!(!objects.exists("snapshots/partition-1/a.json").unwrap());
    assert!(objects.get_bytes("snapshots/partition-1/a.json", 5).unwrap_err().is_not_found());
}

#[test]
fn a_file_of_many_parts_comes_back_with_the_same_digest() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(&folder.path().join("store"));
    for length in [0, 1, crate::write::PART_BYTES, 2 * crate::write::PART_BYTES + 7] {
        let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let (there, back) = (folder.path().join("there"), folder.path().join(format!("back-{length}")));
        fs::write(&there, &bytes).unwrap();

        assert_eq!(objects.put_file("files/x", &there).unwrap(), Sum::of(&bytes));
        assert_eq!(objects.get_file("files/x", &back).unwrap(), Sum::of(&bytes));
        assert_eq!(objects.sum("files/x").unwrap(), Sum::of(&bytes));
        assert!(fs::read(&back).unwrap() == bytes);
        assert!(fs::read(objects.file("files/x").unwrap()).unwrap() == bytes);
    }
    // No draft is left beside it.
    assert_eq!(fs::read_dir(folder.path().join("store/files")).unwrap().count(), 1);
}

#[test]
fn files_that_are_taken_over_are_objects_and_no_files_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(&folder.path().join("store"));
    objects.put_bytes("x/y/b", "old").unwrap();
    let files: Vec<_> = [("x/y/b", "b"), ("x/z/c", "c")]
        .map(|(name, file)| (name.to_owned(), folder.path().join(file)))
        .to_vec();
    files.iter().for_each(|(name, file)| fs::write(file, name).unwrap());
    objects.take_files(&files).unwrap();
    for (name, file) in &files {
        assert_eq!(objects.get_bytes(name, 9).unwrap(), name.as_bytes());
        assert!(!file.exists());
    }
    // A file that is gone is named, and one before it is taken or not.
    let error = objects.take_files(&files).unwrap_err().to_string();
    assert!(error.contains(files[0].1.to_str().unwrap()), "{error}");
    assert_eq!(names(&objects, ""), ["x/y/b", "x/z/c"]);
}

#[test]
fn names_that_stores_spell_differently_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    for name in ["", "/a", "a/", "a//b", "a/../b", ".", "a b", "a#1", "城", &"a".repeat(241)] {
        let refused = objects.put_bytes(name, "x").unwrap_err();
        assert!(matches!(refused, ObjectsError::Name { .. }), "{name:?}: {refused}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_object_that_is_too_large_is_not_read_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    objects.put_bytes("manifest.json", "12345").unwrap();
    let refused = objects.get_bytes("manifest.json", 4).unwrap_err();
    assert!(matches!(refused, ObjectsError::TooLarge { bytes: 5, limit: 4, .. }), "{refused}");
}

#[test]
fn an_object_that_ends_early_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    objects.put_bytes("a", "12345").unwrap();
    let mut reader = objects.reader("a").unwrap();
    fs::OpenOptions::new().write(true).open(folder.path().join("a")).unwrap().set_len(3).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("ends 2 bytes early"), "{error}");
}

#[test]
fn what_a_killed_put_left_is_no_object_and_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let objects = open(folder.path());
    objects.put_bytes("files/a", "whole").unwrap();
    fs::write(folder.path().join("files/b#1"), "ha").unwrap();

    assert_eq!(names(&objects, "files"), ["files/a"]);
    assert_eq!(objects.sweep("files", Duration::from_secs(3600)).unwrap(), 0, "it may still be written");
    assert_eq!(objects.sweep("files", Duration::ZERO).unwrap(), 1);
    assert!(!folder.path().join("files/b#1").exists());
    assert_eq!(objects.get_bytes("files/a", 5).unwrap(), b"whole");
}

#[test]
fn a_place_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for (place, why) in [
        (folder.path().join("file").to_str().unwrap(), "file cannot be used"),
        ("", "cannot be used"),
        ("gopher://x", "cannot be used"),
    ] {
        let error = Objects::open(place).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
