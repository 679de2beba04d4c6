//! What a process of the same user can read of all others: command line, environment block, memory.
#![expect(unsafe_code, reason = "other processes are read by system calls")]

use std::ffi::c_void;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};

use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, PROCESSENTRY32W, Process32FirstW, Process32NextW, TH32CS_SNAPPROCESS,
};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEMORY_BASIC_INFORMATION, PAGE_EXECUTE_READWRITE, PAGE_READWRITE, PAGE_WRITECOPY,
    VirtualQueryEx,
};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_BASIC_INFORMATION, PROCESS_QUERY_INFORMATION, PROCESS_VM_READ,
};

/// Offsets in the structures of 64-bit Windows, which have no public fields for these.
const PEB_PARAMETERS: usize = 0x20;
const PARAMETERS_COMMAND_LINE: usize = 0x70;
const PARAMETERS_ENVIRONMENT: usize = 0x80;

/// One process of this machine that could be opened.
pub(crate) struct Process {
    pub(crate) pid: u32,
    handle: OwnedHandle,
}

/// All processes but this one, which knows what it looks for.
pub(crate) fn others() -> Vec<Process> {
    pids().into_iter().filter(|&pid| pid != std::process::id()).filter_map(open).collect()
}

pub(crate) fn open(pid: u32) -> Option<Process> {
    // SAFETY: takes integers; the handle is checked and then owned.
    unsafe {
        let handle = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, 0, pid);
        (!handle.is_null()).then(|| Process { pid, handle: OwnedHandle::from_raw_handle(handle) })
    }
}

fn pids() -> Vec<u32> {
    let mut pids = Vec::new();
    // SAFETY: the snapshot is owned, and the entry has the size that it states.
    unsafe {
        let snapshot = OwnedHandle::from_raw_handle(CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0));
        let mut entry =
            PROCESSENTRY32W { dwSize: size_of::<PROCESSENTRY32W>() as u32, ..PROCESSENTRY32W::default() };
        let mut more = Process32FirstW(snapshot.as_raw_handle(), &raw mut entry);
        while more != 0 {
            pids.push(entry.th32ProcessID);
            more = Process32NextW(snapshot.as_raw_handle(), &raw mut entry);
        }
    }
    pids
}

impl Process {
    fn read(&self, address: usize, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0_u8; length];
        let mut read = 0;
        // SAFETY: the buffer has the length that is asked for.
        let good = unsafe {
            ReadProcessMemory(
                self.handle.as_raw_handle(),
                address as *const c_void,
                bytes.as_mut_ptr().cast(),
                length,
                &raw mut read,
            )
        };
        bytes.truncate(read);
        (good != 0 && read > 0).then_some(bytes)
    }

    fn pointer(&self, address: usize) -> Option<usize> {
        Some(usize::from_le_bytes(self.read(address, size_of::<usize>())?.try_into().ok()?))
    }

    fn parameters(&self) -> Option<usize> {
        let mut basic = PROCESS_BASIC_INFORMATION::default();
        // SAFETY: pointer and size are those of the structure that this class of information fills.
        let status = unsafe {
            NtQueryInformationProcess(
                self.handle.as_raw_handle(),
                ProcessBasicInformation,
                (&raw mut basic).cast(),
                size_of::<PROCESS_BASIC_INFORMATION>() as u32,
                std::ptr::null_mut(),
            )
        };
        if status != 0 {
            return None;
        }
        self.pointer(basic.PebBaseAddress as usize + PEB_PARAMETERS)
    }

    pub(crate) fn command_line(&self) -> Option<String> {
        let text = self.parameters()? + PARAMETERS_COMMAND_LINE;
        let length = u16::from_le_bytes(self.read(text, 2)?.try_into().ok()?);
        wide(&self.read(self.pointer(text + 8)?, usize::from(length))?)
    }

    /// The environment block as text, entries apart by zeros.
    pub(crate) fn environment(&self) -> Option<String> {
        let mut address = self.pointer(self.parameters()? + PARAMETERS_ENVIRONMENT)?;
        let mut block = Vec::new();
        while let Some(piece) = self.read(address, 256) {
            block.extend_from_slice(&piece);
            address += piece.len();
            if let Some(end) = block.chunks_exact(4).position(|units| units == [0; 4]) {
                block.truncate(4 * end);
                break;
            }
            if block.len() > 256 * 1024 {
                break;
            }
        }
        wide(&block)
    }

    /// Whether the writable memory holds the text, in either width.
    pub(crate) fn memory_holds(&self, text: &str) -> bool {
        let narrow = text.as_bytes().to_vec();
        let broad: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut address = 0_usize;
        let mut seen = 0;
        loop {
            let mut info = MEMORY_BASIC_INFORMATION::default();
            // SAFETY: any address may be asked about, and the structure is of the size that is given.
            let size = unsafe {
                VirtualQueryEx(
                    self.handle.as_raw_handle(),
                    address as *const c_void,
                    &raw mut info,
                    size_of::<MEMORY_BASIC_INFORMATION>(),
                )
            };
            if size == 0 || info.RegionSize == 0 {
                break;
            }
            let writable = info.Protect & (PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE) != 0;
            if info.State == MEM_COMMIT
                && writable
                && let Some(bytes) = self.read(info.BaseAddress as usize, info.RegionSize)
            {
                seen += bytes.len();
                if holds(&bytes, &narrow) || holds(&bytes, &broad) {
                    return true;
                }
            }
            let Some(next) = (info.BaseAddress as usize).checked_add(info.RegionSize) else { break };
            address = next;
        }
        assert!(seen > 0, "no memory of process {} could be read", self.pid);
        false
    }
}

fn wide(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    let Some(first) = text.first() else { return false };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(text) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Processes whose command line has the text.
pub(crate) fn with_argument(text: &str) -> Vec<u32> {
    let shows = |process: &Process| process.command_line().is_some_and(|line| line.contains(text));
    others().into_iter().filter(shows).map(|process| process.pid).collect()
}
