//! Where the socket is, also when its path is too long for the system's address.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the state folder.
const NAME: &str = "socket";

/// The longest path that fits `sockaddr_un` with its closing NUL: 108 bytes on Linux, 104 elsewhere.
const PATH_BYTES_MAX: usize = 103;

/// A path that the system takes. Long ones go through a descriptor of the folder, which is held
/// open as long as the path is used.
struct Address {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Address {
    fn of(state: &Path) -> io::Result<Self> {
        let path = state.join(NAME);
        if path.as_os_str().len() <= PATH_BYTES_MAX || !cfg!(target_os = "linux") {
            return Ok(Self { path, _folder: None });
        }
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = rustix::fs::open(state, flags, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd()));
        Ok(Self { path, _folder: Some(folder) })
    }
}

/// Listens on the state's socket. The caller holds the state, so a socket that is there is stale.
pub(super) fn listen(state: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    remove(state);
    let address = Address::of(state)?;
    let listener = UnixListener::bind(&address.path)?;
    std::fs::set_permissions(&address.path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the state's socket.
pub(super) async fn connect(state: &Path) -> io::Result<UnixStream> {
    let address = Address::of(state)?;
    UnixStream::connect(&address.path).await
}

/// Takes the socket away.
pub(super) fn remove(state: &Path) {
    // A socket that can't be removed can't be bound anew either, and that is an error then.
    let _ = std::fs::remove_file(state.join(NAME));
}
