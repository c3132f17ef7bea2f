//! One FTP control connection: a session around suppaftp.
