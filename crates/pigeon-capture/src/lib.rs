//! Captures of UDP: datagrams out of pcap and pcapng files, and into pcapng. The files are the
//! caller's: anything that reads or writes bytes.
//!
//! - [`Reader`]: the packets of a capture, one after the other, whichever program made it.
//! - [`datagram()`]: the UDP datagram in such a packet, past link layer and IP; or why there is none.
//! - [`Writer`]: datagrams as packets of a capture that Wireshark opens.
//!
//! What is read comes from anywhere: nothing in a file makes this panic or keep more than one of its
//! blocks, and damage is told with what it is.
#![forbid(unsafe_code)]

mod datagram;
mod input;
mod pcap;
mod pcapng;
mod reader;
mod writer;

pub use datagram::{Datagram, Skip, datagram};
pub use reader::{Packet, ReadError, Reader};
pub use writer::Writer;
