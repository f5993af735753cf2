//! A disk that fails at its n-th operation, for every n: nothing that was acknowledged is lost, nothing panics.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Disk, Fault, append, assert_record, header, read};
use rhea_session::replay::{ReplayError, ReplayWriter};

const RECORDS: u64 = 6;

/// Writes [`RECORDS`] records to a disk; returns how many were acknowledged before the first failure and in all.
fn write_all(disk: &Disk) -> (usize, usize) {
    let mut writer = ReplayWriter::new(disk.clone(), &header(), 0.0).unwrap();
    let (mut before, mut acknowledged, mut failed) = (0, 0, false);
    for n in 0..RECORDS {
        match append(&mut writer, n) {
            Ok(()) => acknowledged += 1,
            Err(ReplayError::Write { waiting_bytes, .. }) => {
                assert!(waiting_bytes > 0);
                failed = true;
            }
            Err(error) => panic!("{error}"),
        }
        if !failed {
            before = acknowledged;
        }
        // Looked at after every step, as if the machine had stopped here.
        if acknowledged > 0 {
            let seen = read(&disk.bytes()).unwrap();
            assert!(seen.steps.len() >= before, "{} of {before} acknowledged records", seen.steps.len());
            for index in 0..seen.steps.len() {
                assert_record(&seen, index);
            }
        }
    }
    drop(writer.finish());
    (before, acknowledged)
}

#[test]
fn one_failure_loses_nothing() {
    let clean = Disk::default();
    assert_eq!(write_all(&clean), (6, 6));
    for fault in [Fault::Refused, Fault::Short] {
        for n in 0..clean.operations() {
            let disk = Disk::failing(n..n + 1, fault);
            let (_, acknowledged) = write_all(&disk);
            assert!(acknowledged + 1 >= RECORDS as usize, "a single failure delays at most one record");
            let replay = read(&disk.bytes()).unwrap();
            assert_eq!(replay.steps.len(), RECORDS as usize, "operation {n}, {fault:?}");
            // A failure while finishing leaves the footer out, never a step.
            assert!(replay.torn.is_none() || n + 2 >= clean.operations(), "operation {n}: {:?}", replay.torn);
        }
    }
}

#[test]
fn a_disk_that_stays_broken_keeps_what_it_has() {
    for fault in [Fault::Refused, Fault::Short] {
        for n in 0..2 * RECORDS as usize {
            let disk = Disk::failing(n..usize::MAX, fault);
            let (before, acknowledged) = write_all(&disk);
            assert_eq!(before, acknowledged);
            match read(&disk.bytes()) {
                // Half of the last write may reach past the last step.
                Ok(replay) => {
                    assert!(replay.steps.len() >= before, "operation {n}");
                    assert!(replay.torn.is_some() || replay.steps.len() == RECORDS as usize, "operation {n}");
                }
                Err(error) => assert!(before == 0, "operation {n}: {error}"),
            }
        }
    }
}

#[test]
fn a_disk_that_comes_back_gets_everything() {
    for n in 0..6 {
        let disk = Disk::failing(n..n + 4, Fault::Short);
        write_all(&disk);
        let replay = read(&disk.bytes()).unwrap();
        assert_eq!((replay.steps.len(), replay.torn), (RECORDS as usize, None), "from operation {n}");
    }
}

#[test]
fn nothing_is_added_after_the_end() {
    let disk = Disk::default();
    let mut writer = ReplayWriter::new(disk.clone(), &header(), 0.0).unwrap();
    append(&mut writer, 0).unwrap();
    writer.finish().unwrap();
    let whole = disk.bytes();
    assert!(matches!(append(&mut writer, 1), Err(ReplayError::Finished)));
    writer.finish().unwrap();
    drop(writer);
    assert_eq!(disk.bytes(), whole);
}
