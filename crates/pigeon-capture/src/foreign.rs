//! Files that a user may mistake for a capture: compressed ones, and other programs' formats.

use std::fmt;

use crate::ReadError;

/// A kind of file that is not a capture, or of a format that is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// The file is empty.
    Empty,
    /// Compressed with `with`; `command` decompresses it.
    Compressed {
        /// The program that compressed it.
        with: &'static str,
        /// The command that decompresses it.
        command: &'static str,
    },
    /// A zip archive.
    Zip,
    /// A variant of pcap.
    ModifiedPcap,
    /// The format of this program.
    Of(&'static str),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CONVERT: &str = "convert it first, e.g. `editcap FILE new.pcapng`";
        match self {
            Foreign::Empty => f.write_str("is empty"),
            Foreign::Compressed { with, command } => {
                write!(f, "is compressed with {with}: decompress it first, e.g. `{command}`")
            }
            Foreign::Zip => {
                f.write_str("is a zip archive: extract the capture first, e.g. `unzip FILE`")
            }
            Foreign::ModifiedPcap => write!(f, "is in a modified pcap format: {CONVERT}"),
            Foreign::Of(program) => write!(f, "is in {program}'s format: {CONVERT}"),
        }
    }
}

/// The first bytes of each kind of file.
const KINDS: [(&[u8], Foreign); 15] = [
    (&[0x1f, 0x8b], Foreign::Compressed { with: "gzip", command: "gunzip -k FILE" }),
    (&[0xfd, b'7', b'z', b'X'], Foreign::Compressed { with: "xz", command: "unxz -k FILE" }),
    (&[0x28, 0xb5, 0x2f, 0xfd], Foreign::Compressed { with: "zstd", command: "unzstd FILE" }),
    (&[0x04, 0x22, 0x4d, 0x18], Foreign::Compressed { with: "lz4", command: "unlz4 FILE" }),
    (b"BZh", Foreign::Compressed { with: "bzip2", command: "bunzip2 -k FILE" }),
    (b"PK\x03\x04", Foreign::Zip),
    // Variants by Kuznetsov and IXIA (two), and one with extra packet fields.
    (&[0xa1, 0xb2, 0xcd, 0x34], Foreign::ModifiedPcap),
    (&[0x34, 0xcd, 0xb2, 0xa1], Foreign::ModifiedPcap),
    (&[0x1c, 0x00, 0x01, 0xac], Foreign::ModifiedPcap),
    (&[0x1c, 0x00, 0x01, 0xab], Foreign::ModifiedPcap),
    (&[0xa1, 0xe2, 0xcb, 0x12], Foreign::ModifiedPcap),
    (&[0x12, 0xcb, 0xe2, 0xa1], Foreign::ModifiedPcap),
    (b"snoo", Foreign::Of("snoop")),
    (b"RTSS", Foreign::Of("Network Monitor")),
    (b"GMBU", Foreign::Of("Network Monitor")),
];

/// The error for a file that begins with these bytes.
pub(crate) fn describe(beginning: [u8; 4]) -> ReadError {
    let kind = KINDS.iter().find(|(magic, _)| beginning.starts_with(magic));
    kind.map_or(ReadError::NoCapture, |(_, kind)| ReadError::Foreign(*kind))
}

#[cfg(test)]
mod tests {
    use crate::Reader;

    #[test]
    fn compressed_files_and_other_formats_are_named() {
        for (file, named) in [
            (&b"\x1f\x8b\x08\0"[..], "gzip"),
            (b"\xfd7zXZ\0", "xz"),
            (b"\x28\xb5\x2f\xfd", "zstd"),
            (b"BZh91", "bzip2"),
            (b"snoop\0\0\0", "snoop"),
            (b"\x34\xcd\xb2\xa1", "modified pcap"),
            (b"", "is empty"),
            (b"GIF89a", "neither pcap nor pcapng"),
        ] {
            let error = Reader::new(file).err().unwrap().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
