//! Captures of UDP: datagrams out of pcap and pcapng files, and into pcapng. The files are the
//! caller's: anything that reads or writes bytes.
//!
//! - [`Reader`]: the packets of a capture, one after the other, whichever program made it.
//! - [`Decoder`]: the UDP datagrams in such packets, past link layer and IP; or why there are none.
//! - [`Writer`]: datagrams as packets of a capture that Wireshark opens.
//!
//! Files come from anywhere: no file makes this panic or hold more than one of its blocks in
//! memory, and errors say what is damaged.
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
pub use reader::{Packet, ReadError, Reader};
pub use writer::Writer;
