//! Netlink as the kernel speaks it: sockets, and the framing of what comes out of them. And two things for
//! which std has no word: whether the clock is synchronised, and confinement to some files (Landlock).
//!
//! This is the only module of the agent with `unsafe`. Each block is one system call; its
//! arguments are built beside it and none outlives the call. What reads rules and packets above
//! it (`rules::nftables`, `sources::nflog`) is safe code over byte slices.
//!
//! - Only the kernel is listened to: datagrams from another port id are thrown away.
//! - "The kernel had to drop messages" (`ENOBUFS`) is a value of its own, because evidence was
//!   lost; it arrives once, before the older messages that are still queued.
//! - Framing never loops and never panics: a length that does not fit ends the walk with
//!   [`Malformed`].
//!
//! Sources: `linux/netlink.h` (nlmsghdr, nlattr, sockaddr_nl), `linux/filter.h` (classic BPF),
//! `netlink(7)`, kernel `net/netlink/af_netlink.c`; `adjtimex(2)`; `linux/landlock.h`, `landlock(7)`.
#![expect(unsafe_code, reason = "system calls that std does not wrap; nothing else is unsafe")]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A netlink socket, bound to a port id that the kernel chose.
#[derive(Debug)]
pub struct NetlinkSocket {
    fd: OwnedFd,
}

/// What one receive left in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Bytes of the buffer that are filled.
    pub size: usize,
    /// The datagram was longer than the buffer; its end is gone.
    pub truncated: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The receive buffer overflowed: messages were dropped, how many is not said.
    #[error("the kernel dropped netlink messages for want of buffer space")]
    NoBufferSpace,
    #[error("receiving from netlink")]
    Io(#[source] io::Error),
}

impl NetlinkSocket {
    /// Of `NETLINK_NETFILTER`. Needs no capability; most requests on it then need `CAP_NET_ADMIN`.
    pub fn netfilter() -> io::Result<Self> {
        Self::open(libc::NETLINK_NETFILTER)
    }

    /// Of `NETLINK_ROUTE`. Reading routes and hearing of them needs no capability.
    pub fn route() -> io::Result<Self> {
        let socket = Self::open(libc::NETLINK_ROUTE)?;
        // A dump then holds only what was asked for. Kernels before 4.20 do not know the option and
        // answer with all routes; the reader passes over what it did not ask for.
        drop(socket.set_option(libc::SOL_NETLINK, NETLINK_GET_STRICT_CHK, &ON));
        Ok(socket)
    }

    fn open(protocol: libc::c_int) -> io::Result<Self> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers are passed.
        let raw = unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` was just returned by socket(2) and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        let own = address();
        // SAFETY: `own` is a complete sockaddr_nl that lives across the call.
        let result = unsafe {
            libc::bind(
                fd.as_raw_fd(),
                (&raw const own).cast::<libc::sockaddr>(),
                size_of::<libc::sockaddr_nl>() as libc::socklen_t,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { fd })
    }

    /// Sets the receive buffer, beyond the system's limit if we may (`CAP_NET_ADMIN`). Returns
    /// the size that is now in force: the kernel doubles what it is given, and may have capped it.
    pub fn set_receive_buffer(&self, bytes: usize) -> io::Result<usize> {
        let wanted = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
        self.set_option(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &wanted)
            .or_else(|_| self.set_option(libc::SOL_SOCKET, libc::SO_RCVBUF, &wanted))?;
        let mut got: libc::c_int = 0;
        let mut size = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: `got` and `size` live across the call; `size` is the size of `got`.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUF,
                (&raw mut got).cast::<libc::c_void>(),
                &raw mut size,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(usize::try_from(got).unwrap_or(0))
    }

    /// Joins a multicast group. Call [`Self::keep_only`] first, or what it would have kept out
    /// may already be queued.
    pub fn join_group(&self, group: libc::c_int) -> io::Result<()> {
        self.set_option(libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &group)
    }

    /// Attaches a socket filter that passes only datagrams whose first message is of this type.
    /// All others are freed by the kernel before they are charged to the receive buffer.
    pub fn keep_only(&self, message_type: u16) -> io::Result<()> {
        self.filter(&mut [
            step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, NLMSG_TYPE),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, as_loaded(message_type)),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        ])
    }

    /// Attaches a socket filter for notifications of routes: it passes those of routes of the types
    /// `first` to `last` (`rtm_type`), and those of a route that takes the place of another one.
    pub fn keep_routes(&self, first: u8, last: u8) -> io::Result<()> {
        const NLM_F_REPLACE: u16 = 0x100;
        self.filter(&mut [
            step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, RTM_TYPE),
            step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, first.into()),
            step(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 0, 2, last.into()),
            step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, NLMSG_FLAGS),
            step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, 0, 1, as_loaded(NLM_F_REPLACE)),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        ])
    }

    fn filter(&self, program: &mut [libc::sock_filter]) -> io::Result<()> {
        let program =
            libc::sock_fprog { len: program.len() as libc::c_ushort, filter: program.as_mut_ptr() };
        // The kernel copies the program during the call, while the array is alive.
        self.set_option(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// Sends one request to the kernel.
    pub fn send(&self, request: &[u8]) -> io::Result<()> {
        let kernel = address();
        // SAFETY: pointers and sizes describe `request` and `kernel`, alive across the call.
        let sent = unsafe {
            libc::sendto(
                self.fd.as_raw_fd(),
                request.as_ptr().cast::<libc::c_void>(),
                request.len(),
                0,
                (&raw const kernel).cast::<libc::sockaddr>(),
                size_of::<libc::sockaddr_nl>() as libc::socklen_t,
            )
        };
        match usize::try_from(sent) {
            Ok(size) if size == request.len() => Ok(()),
            Ok(_) => Err(io::Error::from(io::ErrorKind::WriteZero)),
            Err(_) => Err(io::Error::last_os_error()),
        }
    }

    /// One datagram, or `None` if none came in time. Under load this is one system call.
    pub fn receive(
        &self,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<Option<Datagram>, ReceiveError> {
        let until = Instant::now() + timeout;
        loop {
            match self.receive_now(buffer) {
                Ok(Some(datagram)) => return Ok(Some(datagram)),
                Ok(None) => {} // not from the kernel
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => {
                        let left = until.saturating_duration_since(Instant::now());
                        if left.is_zero() || !self.wait(left).map_err(ReceiveError::Io)? {
                            return Ok(None);
                        }
                    }
                    Some(libc::EINTR) => {}
                    Some(libc::ENOBUFS) => return Err(ReceiveError::NoBufferSpace),
                    _ => return Err(ReceiveError::Io(error)),
                },
            }
        }
    }

    fn receive_now(&self, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
        let mut from = address();
        let mut from_size = size_of::<libc::sockaddr_nl>() as libc::socklen_t;
        // SAFETY: pointers and sizes describe `buffer` and `from`, alive across the call; the
        // kernel writes at most `buffer.len()` bytes, also with MSG_TRUNC, which only changes
        // the value returned.
        let size = unsafe {
            libc::recvfrom(
                self.fd.as_raw_fd(),
                buffer.as_mut_ptr().cast::<libc::c_void>(),
                buffer.len(),
                libc::MSG_DONTWAIT | libc::MSG_TRUNC,
                (&raw mut from).cast::<libc::sockaddr>(),
                &raw mut from_size,
            )
        };
        let Ok(size) = usize::try_from(size) else { return Err(io::Error::last_os_error()) };
        if from.nl_pid != 0 {
            return Ok(None);
        }
        Ok(Some(Datagram { size: size.min(buffer.len()), truncated: size > buffer.len() }))
    }

    /// True if there is something to receive, an error included.
    fn wait(&self, timeout: Duration) -> io::Result<bool> {
        // Rounded up: a remainder under one millisecond must not become a busy loop.
        let ms = timeout.as_nanos().div_ceil(1_000_000);
        let ms = libc::c_int::try_from(ms).unwrap_or(libc::c_int::MAX);
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd, alive across the call.
        match unsafe { libc::poll(&raw mut poll, 1, ms) } {
            0 => Ok(false),
            count if count > 0 => Ok(true),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(true),
                error => Err(error),
            },
        }
    }

    fn set_option<T>(&self, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
        // SAFETY: `value` is alive across the call and its size is the size given. All callers
        // pass plain C values (c_int, sock_fprog).
        let result = unsafe {
            libc::setsockopt(
                self.fd.as_raw_fd(),
                level,
                name,
                std::ptr::from_ref(value).cast::<libc::c_void>(),
                size_of::<T>() as libc::socklen_t,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// linux/netlink.h; the C library's bindings do not have it for every system.
const NETLINK_GET_STRICT_CHK: libc::c_int = 12;
const ON: libc::c_int = 1;
/// Where in a message its type and flags lie, and the type of a route (struct rtmsg).
const NLMSG_TYPE: u32 = 4;
const NLMSG_FLAGS: u32 = 6;
const RTM_TYPE: u32 = 16 + 7;

fn step(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// BPF loads a half-word as big-endian; it lies in a message in the byte order of the host.
fn as_loaded(value: u16) -> u32 {
    u16::from_be_bytes(value.to_ne_bytes()).into()
}

/// The kernel's address, which is also "any port id" for bind.
fn address() -> libc::sockaddr_nl {
    // SAFETY: sockaddr_nl is plain data for which all zeroes is a valid value.
    let mut address: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address
}

/// A length in a message or attribute that does not fit what holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink message")]
pub struct Malformed;

/// One message of a datagram.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub payload: &'a [u8],
}

/// The messages of a datagram, in order. After [`Malformed`] it ends.
#[derive(Debug, Clone)]
pub struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    pub fn new(datagram: &'a [u8]) -> Self {
        Self(datagram)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        const HEADER: usize = 16;
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() {
            return None;
        }
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Some(Err(Malformed)) };
        let size = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(payload) = bytes.get(HEADER..size) else { return Some(Err(Malformed)) };
        self.0 = bytes.get(size.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(Message {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            payload,
        }))
    }
}

/// The attributes of a message or of a nested attribute: (type without its flag bits, value).
#[derive(Debug, Clone)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(u16, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        /// NLA_TYPE_MASK: without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
        const TYPE: u16 = 0x3fff;
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() {
            return None;
        }
        let Some(header) = bytes.first_chunk::<4>() else { return Some(Err(Malformed)) };
        let size = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let Some(value) = bytes.get(4..size) else { return Some(Err(Malformed)) };
        self.0 = bytes.get(size.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok((u16::from_ne_bytes([header[2], header[3]]) & TYPE, value)))
    }
}

/// Whether the kernel takes its clock to be synchronised (`STA_UNSYNC` is not set and the state is not
/// `TIME_ERROR`, adjtimex(2)); `None` if it may not be asked. Changes nothing.
pub fn clock_is_synchronised() -> Option<bool> {
    let mut question = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: timex is plain integers, for which zero is a value; `modes` 0 only reads; the pointer is
    // valid for the call, which fills the structure.
    let (state, answer) = unsafe {
        let state = libc::adjtimex(question.as_mut_ptr());
        (state, question.assume_init())
    };
    (state >= 0).then_some(state != libc::TIME_ERROR && answer.status & libc::STA_UNSYNC == 0)
}

/// Rights to files, as `linux/landlock.h` numbers them (`LANDLOCK_ACCESS_FS_*`).
pub mod file_rights {
    pub const READ_FILE: u64 = 1 << 2;
    pub const READ_DIR: u64 = 1 << 3;
    pub const WRITE_FILE: u64 = 1 << 1;
    pub const REMOVE_DIR: u64 = 1 << 4;
    pub const REMOVE_FILE: u64 = 1 << 5;
    pub const MAKE_DIR: u64 = 1 << 7;
    pub const MAKE_REG: u64 = 1 << 8;
    pub const MAKE_SOCK: u64 = 1 << 9;
    pub const REFER: u64 = 1 << 13;
    pub const TRUNCATE: u64 = 1 << 14;
}

/// A Landlock ruleset that is being made. What it does not allow is forbidden, also to root.
#[derive(Debug)]
pub struct Landlock {
    fd: OwnedFd,
    handled: u64,
}

impl Landlock {
    /// The version that the kernel speaks; 0: none, or it is switched off.
    pub fn abi() -> u32 {
        const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
        // SAFETY: with this flag the kernel takes no attributes and makes nothing (landlock(7)).
        let abi = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                std::ptr::null::<u8>(),
                0_usize,
                LANDLOCK_CREATE_RULESET_VERSION,
            )
        };
        u32::try_from(abi).unwrap_or(0)
    }

    /// A ruleset that forbids all that this version can.
    pub fn new(abi: u32) -> io::Result<Self> {
        // struct landlock_ruleset_attr: handled_access_fs, handled_access_net, scoped. The two last are
        // zero, which kernels that do not know them take.
        let handled: u64 = match abi {
            0 | 1 => (1 << 13) - 1,
            2 => (1 << 14) - 1,
            3 | 4 => (1 << 15) - 1,
            _ => (1 << 16) - 1,
        };
        let attributes = [handled, 0, 0];
        // SAFETY: pointer and size describe `attributes`, alive across the call.
        let raw = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                attributes.as_ptr(),
                size_of::<[u64; 3]>(),
                0_u32,
            )
        };
        let raw = libc::c_int::try_from(raw).unwrap_or(-1);
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `raw` was just returned and nobody else owns it.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(raw) }, handled })
    }

    /// Allows these rights to a folder and all that is below it, or to a file.
    pub fn allow(&self, beneath: BorrowedFd<'_>, rights: u64) -> io::Result<()> {
        const LANDLOCK_RULE_PATH_BENEATH: libc::c_int = 1;
        // struct landlock_path_beneath_attr is packed: u64 allowed_access, s32 parent_fd.
        let mut attributes = [0_u8; 12];
        let (access, parent) = attributes.split_at_mut(8);
        access.copy_from_slice(&(rights & self.handled).to_ne_bytes());
        parent.copy_from_slice(&beneath.as_raw_fd().to_ne_bytes());
        // SAFETY: the pointer is to `attributes`, which has the size of the structure, alive across the
        // call.
        let result = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.fd.as_raw_fd(),
                LANDLOCK_RULE_PATH_BENEATH,
                attributes.as_ptr(),
                0_u32,
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// From here on, for this thread and all that it starts, for ever. Needs `no_new_privs`.
    pub fn enforce(self) -> io::Result<()> {
        // SAFETY: no pointers are passed.
        let result =
            unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.fd.as_raw_fd(), 0_u32) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_too_small_to_hold_their_header_end_the_walk() {
        for size in 0..4u16 {
            let mut bytes = size.to_ne_bytes().to_vec();
            bytes.extend([1, 0, 9, 9, 9, 9]);
            assert_eq!(Attributes::new(&bytes).collect::<Vec<_>>(), [Err(Malformed)]);
        }
        for size in 0..16u32 {
            let mut bytes = size.to_ne_bytes().to_vec();
            bytes.extend([0; 28]);
            assert_eq!(Messages::new(&bytes).count(), 1);
            assert!(Messages::new(&bytes).all(|m| m.is_err()));
        }
    }

    #[test]
    fn the_last_attribute_may_lack_its_padding() {
        let mut bytes = 5u16.to_ne_bytes().to_vec();
        bytes.extend(0x8001u16.to_ne_bytes());
        bytes.push(7);
        assert_eq!(Attributes::new(&bytes).collect::<Vec<_>>(), [Ok((1, &[7u8][..]))]);
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Messages::new(&bytes).count() <= 13);
            prop_assert!(Attributes::new(&bytes).count() <= 50);
        }
    }

    #[test]
    fn the_kernel_says_whether_its_clock_is_synchronised() {
        // Which of the two it is, is the machine's affair.
        assert!(clock_is_synchronised().is_some());
    }
}
