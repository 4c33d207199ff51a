//! Captures of UDP: reads datagrams from pcap and pcapng files, and writes pcapng. The caller
//! supplies the input or output: anything that reads or writes bytes.
//!
//! - [`Reader`]: the packets of a capture file, in sequence.
//! - [`Decoder`]: the UDP datagrams in such packets, or the reason that a packet yields none.
//! - [`Writer`]: writes datagrams as packets of a capture that Wireshark opens.
//!
//! Files are untrusted: no file causes a panic or keeps more than one block in memory, and errors
//! say what is damaged.
#![forbid(unsafe_code)]

mod bytes;
mod datagram;
mod foreign;
mod fragments;
mod input;
mod ip;
mod link;
mod pcap;
mod pcapng;
mod reader;
mod writer;

pub use datagram::{Datagram, Decoder, Skip};
pub use foreign::Foreign;
pub use reader::{Packet, ReadError, Reader};
pub use writer::Writer;
