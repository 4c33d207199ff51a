//! Files that a user may mistake for a capture: compressed ones, and other programs' formats.

use crate::ReadError;

/// The first bytes of each kind of file, and its description.
const KINDS: [(&[u8], &str); 15] = [
    (&[0x1f, 0x8b], "is compressed with gzip: decompress it first, e.g. `gunzip -k FILE`"),
    (&[0xfd, b'7', b'z', b'X'], "is compressed with xz: decompress it first, e.g. `unxz -k FILE`"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "is compressed with zstd: decompress it first, e.g. `unzstd FILE`"),
    (&[0x04, 0x22, 0x4d, 0x18], "is compressed with lz4: decompress it first, e.g. `unlz4 FILE`"),
    (b"BZh", "is compressed with bzip2: decompress it first, e.g. `bunzip2 -k FILE`"),
    (b"PK\x03\x04", "is a zip archive: extract the capture first, e.g. `unzip FILE`"),
    // Variants by Kuznetsov and IXIA (two), and one with extra packet fields.
    (&[0xa1, 0xb2, 0xcd, 0x34], MODIFIED),
    (&[0x34, 0xcd, 0xb2, 0xa1], MODIFIED),
    (&[0x1c, 0x00, 0x01, 0xac], MODIFIED),
    (&[0x1c, 0x00, 0x01, 0xab], MODIFIED),
    (&[0xa1, 0xe2, 0xcb, 0x12], MODIFIED),
    (&[0x12, 0xcb, 0xe2, 0xa1], MODIFIED),
    (b"snoo", "is in snoop's format: convert it first, e.g. `editcap FILE new.pcapng`"),
    (b"RTSS", NETWORK_MONITOR),
    (b"GMBU", NETWORK_MONITOR),
];

const MODIFIED: &str =
    "is in a modified pcap format: convert it first, e.g. `editcap FILE new.pcapng`";
const NETWORK_MONITOR: &str =
    "is in Network Monitor's format: convert it first, e.g. `editcap FILE new.pcapng`";

/// The error for a file that begins with these bytes.
pub(crate) fn describe(beginning: [u8; 4]) -> ReadError {
    let kind = KINDS.iter().find(|(magic, _)| beginning.starts_with(magic));
    kind.map_or(ReadError::NoCapture, |(_, words)| ReadError::Foreign(words))
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
