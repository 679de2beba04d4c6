//! The environment block of this process, and what system calls copied of it into its memory.
//!
//! The first process of the container lives as long as the job, which runs as the same user and can read all of its memory.
//! So it forgets what it was started with, byte by byte, wherever in its memory that is.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;

use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::System::Diagnostics::Debug::{ReadProcessMemory, WriteProcessMemory};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEMORY_BASIC_INFORMATION, PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_GUARD,
    PAGE_READWRITE, PAGE_WRITECOPY, VirtualQuery,
};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, PEB, PROCESS_BASIC_INFORMATION};
use zeroize::{Zeroize as _, Zeroizing};

use crate::variables;

/// Keeps a needle from being found in its own place.
const MASK: u8 = 0x5a;
/// What is left in the place of what was found.
const FILLER: u8 = b'x';
/// A shorter secret would be found in ordinary words.
const SHORTEST: usize = 8;
/// Memory is looked through in pieces of this many bytes.
const PIECE: usize = 256 * 1024;

/// Bytes to look for, masked, of which the first `keep` are no secret and stay.
struct Needle {
    masked: Zeroizing<Vec<u8>>,
    keep: usize,
    /// Width of a character in bytes: the filler must be text too.
    width: usize,
}

impl Needle {
    /// Of exactly the size it needs, so that no reallocation leaves a copy.
    fn of(length: usize, bytes: impl Iterator<Item = u8>, keep: usize, width: usize) -> Self {
        let mut masked = Vec::with_capacity(length);
        masked.extend(bytes.map(|byte| byte ^ MASK).take(length));
        Self { masked: Zeroizing::new(masked), keep, width }
    }

    fn wide(text: &[u16], keep: usize) -> Self {
        Self::of(2 * text.len(), text.iter().flat_map(|unit| unit.to_le_bytes()), 2 * keep, 2)
    }

    fn narrow(text: &[u16]) -> Self {
        Self::of(text.len(), text.iter().map(|&unit| unit as u8), 0, 1)
    }

    fn is_at(&self, bytes: &[u8]) -> bool {
        bytes.len() >= self.masked.len()
            && bytes.iter().zip(self.masked.iter()).all(|(byte, masked)| byte ^ MASK == *masked)
    }
}

/// Overwrites every variable of this process that the system did not set, in its environment block and in all copies of an
/// entry; of a secret also each place where the value stands alone. Then removes the names.
#[expect(unsafe_code, reason = "the environment is changed by calls that other platforms make unsafe")]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge of the binary: the point is to remove what it was given"
)]
pub(super) fn forget() -> io::Result<()> {
    let (needles, names) = needles()?;
    let mut first = [false; 256];
    for needle in &needles {
        if let Some(byte) = needle.masked.first() {
            first[usize::from(byte ^ MASK)] = true;
        }
    }
    let longest = needles.iter().map(|needle| needle.masked.len()).max().unwrap_or_default();
    // Allocated before the walk, which so meets it and nothing newer.
    let mut piece = Zeroizing::new(vec![0; PIECE + longest]);
    walk(|start, length| sweep(start, length, &needles, &first, &mut piece));
    for name in names {
        // SAFETY: on Windows this call is safe from any thread.
        unsafe { std::env::remove_var(name) };
    }
    Ok(())
}

/// What to look for, taken from the block itself: the usual calls hand out copies and free them as they are.
fn needles() -> io::Result<(Vec<Needle>, Vec<String>)> {
    let mut needles = Vec::new();
    let mut names = Vec::new();
    for entry in entries(own_block()?) {
        // The system's own entries for current folders begin with the sign.
        let Some(sign) = entry.iter().skip(1).position(|&unit| unit == u16::from(b'=')).map(|at| at + 1)
        else {
            continue;
        };
        let name = String::from_utf16_lossy(&entry[..sign]);
        if name.starts_with('=') || is_systems(&name) {
            continue;
        }
        let value = &entry[sign + 1..];
        needles.push(Needle::wide(entry, sign + 1));
        if is_secret(&name) && value.len() >= SHORTEST {
            needles.push(Needle::wide(value, 0));
            if value.iter().all(|&unit| unit < 0x80) {
                needles.push(Needle::narrow(value));
            }
        }
        names.push(name);
    }
    Ok((needles, names))
}

fn is_systems(name: &str) -> bool {
    variables::WINDOWS_SYSTEM.iter().any(|other| other.eq_ignore_ascii_case(name))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let secret = ["TOKEN", "SECRET", "PASSWORD", "_PAT"].iter().any(|word| name.contains(word));
    secret && !name.ends_with("_FILE")
}

/// The entries of a block: each ends with a zero, the block with one more.
fn entries(block: &[u16]) -> impl Iterator<Item = &[u16]> {
    block.split(|&unit| unit == 0).take_while(|entry| !entry.is_empty())
}

/// The block itself, by way of the process environment block.
#[expect(unsafe_code, reason = "no call hands out the block without copying it")]
fn own_block() -> io::Result<&'static [u16]> {
    let mut basic = MaybeUninit::<PROCESS_BASIC_INFORMATION>::zeroed();
    // SAFETY: pointer and size are those of the structure that this class of information fills.
    let status = unsafe {
        NtQueryInformationProcess(
            GetCurrentProcess(),
            ProcessBasicInformation,
            basic.as_mut_ptr().cast(),
            size_of::<PROCESS_BASIC_INFORMATION>() as u32,
            std::ptr::null_mut(),
        )
    };
    if status != 0 {
        return Err(io::Error::other(format!("find the environment block: status {status:#x}")));
    }
    // SAFETY: all zeros is a value of this structure, and now it is filled. The block of this process lives as long as the
    // process; the pointer to it follows the public part of the parameters. It ends with two zeros.
    unsafe {
        let peb: *const PEB = basic.assume_init().PebBaseAddress;
        let parameters = (*peb).ProcessParameters;
        let block = *parameters.add(1).cast::<*const u16>();
        let mut length = 0;
        while *block.add(length) != 0 || *block.add(length + 1) != 0 {
            length += 1;
        }
        Ok(std::slice::from_raw_parts(block, length + 1))
    }
}

/// Calls back for each region of this process's memory that can be written.
#[expect(unsafe_code, reason = "VirtualQuery takes an address")]
fn walk(mut region: impl FnMut(usize, usize)) {
    const WRITABLE: u32 = PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    let mut address = 0_usize;
    loop {
        let mut info = MEMORY_BASIC_INFORMATION::default();
        // SAFETY: any address may be asked about, and the structure is of the size that is given.
        let size = unsafe {
            VirtualQuery(address as *const c_void, &raw mut info, size_of::<MEMORY_BASIC_INFORMATION>())
        };
        let Some(next) = (info.BaseAddress as usize).checked_add(info.RegionSize).filter(|_| size != 0)
        else {
            return;
        };
        if info.State == MEM_COMMIT && info.Protect & WRITABLE != 0 && info.Protect & PAGE_GUARD == 0 {
            region(info.BaseAddress as usize, info.RegionSize);
        }
        if next <= address {
            return;
        }
        address = next;
    }
}

/// Overwrites every needle in one region. Memory is read and written by system calls, which fail where it has gone meanwhile.
#[expect(unsafe_code, reason = "memory is read by address")]
fn sweep(start: usize, length: usize, needles: &[Needle], first: &[bool; 256], piece: &mut [u8]) {
    let mut done = 0;
    while done < length {
        let wanted = (length - done).min(piece.len());
        let mut read = 0;
        // SAFETY: the buffer is as long as is asked for; an address that is not readable is an error.
        let good = unsafe {
            ReadProcessMemory(
                GetCurrentProcess(),
                (start + done) as *const c_void,
                piece.as_mut_ptr().cast(),
                wanted,
                &raw mut read,
            )
        };
        if good == 0 {
            return;
        }
        for at in 0..read {
            if !first[usize::from(piece[at])] {
                continue;
            }
            for needle in needles.iter().filter(|needle| needle.is_at(&piece[at..read])) {
                overwrite(start + done + at + needle.keep, needle.masked.len() - needle.keep, needle.width);
            }
        }
        // Pieces overlap by the longest needle, of which a part may lie at their end.
        done += wanted.min(PIECE);
    }
    piece.zeroize();
}

#[expect(unsafe_code, reason = "memory is written by address")]
fn overwrite(address: usize, length: usize, width: usize) {
    let filler: Vec<u8> = (0..length).map(|at| if at % width == 0 { FILLER } else { 0 }).collect();
    let mut written = 0;
    // SAFETY: the length is that of the filler; an address that is not writable is an error.
    unsafe {
        WriteProcessMemory(
            GetCurrentProcess(),
            address as *const c_void,
            filler.as_ptr().cast(),
            filler.len(),
            &raw mut written,
        );
    }
}
