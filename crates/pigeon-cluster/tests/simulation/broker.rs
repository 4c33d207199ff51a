//! The stream as brokers keep it: records, which may be lost although they were acknowledged.

use pigeon_cluster::{Record, Stream, hash};

pub struct Broker {
    /// Sequences from 1.
    pub records: Vec<Vec<u8>>,
    /// Whether conditions of openings are ignored: a planted fault.
    pub ignores_conditions: bool,
    /// Maximum bytes of a record, and the number announced to hubs.
    pub limits: (usize, usize),
}

impl Broker {
    pub fn last(&self) -> u64 {
        self.records.len() as u64
    }

    pub fn get(&self, sequence: u64) -> Option<&Vec<u8>> {
        self.records.get(usize::try_from(sequence.checked_sub(1)?).ok()?)
    }

    fn register(&self) -> Option<(u64, u64)> {
        let records = self.records.iter().enumerate().rev();
        records.filter(|(_, bytes)| bytes.starts_with(br#"{"epoch""#)).find_map(|(place, bytes)| {
            match Record::parse(bytes)? {
                Record::Epoch { epoch, .. } => Some((place as u64 + 1, epoch)),
                _ => None,
            }
        })
    }

    /// Stores a record. `None`: the condition does not hold.
    pub fn publish(&mut self, bytes: Vec<u8>, expect: Option<u64>) -> Option<u64> {
        if let Some(expect) = expect
            && !self.ignores_conditions
            && self.register().map_or(0, |(sequence, _)| sequence) != expect
        {
            return None;
        }
        self.records.push(bytes);
        Some(self.last())
    }

    pub fn describe(&self, cursor: u64) -> Stream {
        Stream {
            first: 1,
            last: self.last(),
            at_cursor: self.get(cursor).map(|bytes| hash(bytes)),
            register: self.register(),
            record: self.limits.1,
        }
    }
}
