#![expect(unsafe_code, reason = "GetAdaptersAddresses returns linked lists of C structures")]
//! The addresses of this host's adapters.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_BUFFER_OVERFLOW, ERROR_NO_DATA, ERROR_SUCCESS};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_DNS_SERVER, GAA_FLAG_SKIP_MULTICAST, GetAdaptersAddresses,
    IP_ADAPTER_ADDRESSES_LH, IP_ADAPTER_UNICAST_ADDRESS_LH,
};
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6, AF_UNSPEC, SOCKET_ADDRESS};
use windows_sys::core::PWSTR;

/// As Microsoft recommends; a larger size is asked for once the call names it.
const FIRST_SIZE: u32 = 16 * 1024;

/// Adapters may be added between two calls, but not for ever.
const ATTEMPTS: usize = 4;

/// Longest name of an adapter that is read, in UTF-16 units.
const LONGEST_NAME: usize = 256;

/// An address of an adapter.
pub(crate) struct AdapterAddress {
    /// The adapter's name and index.
    pub(crate) interface: String,
    pub(crate) index: u32,
    pub(crate) address: IpAddr,
    /// The length of the network's prefix.
    pub(crate) prefix_length: u32,
}

/// Every address of every adapter, in the system's order.
pub(crate) fn adapter_addresses() -> io::Result<Vec<AdapterAddress>> {
    let mut size = FIRST_SIZE;
    for _ in 0..ATTEMPTS {
        // Elements of eight bytes: the structures are aligned to that.
        let mut buffer = vec![0_u64; (size as usize).div_ceil(8)];
        let first = buffer.as_mut_ptr().cast::<IP_ADAPTER_ADDRESSES_LH>();
        let skip = GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER;
        // SAFETY: `first` leads to `size` bytes that can be written, aligned to eight.
        let result = unsafe {
            GetAdaptersAddresses(u32::from(AF_UNSPEC), skip, ptr::null(), first, &raw mut size)
        };
        match result {
            // SAFETY: the call succeeded, so `first` begins a list that lies in the buffer.
            ERROR_SUCCESS => return Ok(unsafe { addresses(first) }),
            ERROR_NO_DATA => return Ok(Vec::new()),
            ERROR_BUFFER_OVERFLOW => {}
            error => return Err(io::Error::from_raw_os_error(error.cast_signed())),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

/// # Safety
/// `adapter` is null or begins a list as `GetAdaptersAddresses` writes it.
unsafe fn addresses(mut adapter: *const IP_ADAPTER_ADDRESSES_LH) -> Vec<AdapterAddress> {
    let mut found = Vec::new();
    // SAFETY: each pointer of the list is null or leads to a valid structure in the same buffer.
    while let Some(this) = unsafe { adapter.as_ref() } {
        // SAFETY: the name is null or ends with a zero; the union is written as its second form.
        let (interface, v4_index) =
            unsafe { (name(this.FriendlyName), this.Anonymous1.Anonymous.IfIndex) };
        let mut unicast: *const IP_ADAPTER_UNICAST_ADDRESS_LH = this.FirstUnicastAddress;
        // SAFETY: as above.
        while let Some(entry) = unsafe { unicast.as_ref() } {
            // SAFETY: the address leads to as many bytes as the structure says.
            if let Some(address) = ip(unsafe { bytes(&entry.Address) }) {
                let index = if address.is_ipv6() { this.Ipv6IfIndex } else { v4_index };
                let prefix_length = u32::from(entry.OnLinkPrefixLength);
                let interface = interface.clone();
                found.push(AdapterAddress { interface, index, address, prefix_length });
            }
            unicast = entry.Next;
        }
        adapter = this.Next;
    }
    found
}

/// # Safety
/// `text` is null or leads to UTF-16 that ends with a zero.
unsafe fn name(text: PWSTR) -> String {
    if text.is_null() {
        return String::new();
    }
    let units = (0..LONGEST_NAME).map(|place| {
        // SAFETY: the iterator stops at the zero.
        unsafe { *text.add(place) }
    });
    let units = units.take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// # Safety
/// The pointer is null or leads to as many bytes as the length says.
unsafe fn bytes(address: &SOCKET_ADDRESS) -> &[u8] {
    match usize::try_from(address.iSockaddrLength) {
        Ok(length) if !address.lpSockaddr.is_null() => {
            // SAFETY: see above.
            unsafe { std::slice::from_raw_parts(address.lpSockaddr.cast(), length) }
        }
        _ => &[],
    }
}

/// The IP address in a socket address: `sockaddr_in` or `sockaddr_in6`.
fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let family = u16::from_ne_bytes(*bytes.first_chunk()?);
    match family {
        AF_INET => Some(IpAddr::from(*bytes.get(4..)?.first_chunk::<4>()?)),
        AF_INET6 => Some(Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?).into()),
        _ => None,
    }
}
