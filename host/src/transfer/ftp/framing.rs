//! Where one reply of the control connection ends and the next begins (RFC 959, 4.2).
//!
//! suppaftp ends a multi-line reply at the first line that begins with any three digits and a
//! blank; servers do send such lines in the middle of a greeting (F05), and what follows would be
//! read as the answer to the next command. Here a reply ends only at its own code, and what comes
//! after it stays outside until it is asked for.

/// The most bytes of one reply. The largest honest ones are greetings and FEAT, a few KiB.
pub(super) const REPLY_BYTES_MAX: usize = 64 * 1024;

/// The length of the first complete reply in `bytes`, its line end included, or `None` while it is
/// incomplete.
///
/// # Errors
/// What is wrong, for people, when `bytes` can't become a reply or one over the limit.
pub(super) fn reply_length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut start = 0;
    let mut opening: Option<[u8; 3]> = None;
    while let Some(end) = bytes[start..].iter().position(|byte| *byte == b'\n').map(|at| start + at + 1) {
        if end > REPLY_BYTES_MAX {
            return Err("a reply is longer than 64 KiB");
        }
        let line = &bytes[start..end];
        let code = code_of(line);
        match (opening, code) {
            (None, None) => return Err("a reply doesn't begin with three digits"),
            (None, Some((_, false))) => return Ok(Some(end)),
            (None, Some((code, true))) => opening = Some(code),
            (Some(open), Some((code, false))) if code == open => return Ok(Some(end)),
            (Some(_), _) => {}
        }
        start = end;
    }
    if bytes.len() > REPLY_BYTES_MAX {
        return Err("a reply is longer than 64 KiB");
    }
    Ok(None)
}

/// The code at the start of a line, and whether more lines follow (`-` after the code). A code alone
/// on its line is a complete reply.
fn code_of(line: &[u8]) -> Option<([u8; 3], bool)> {
    let code: [u8; 3] = line.get(..3)?.try_into().ok()?;
    if !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    match line.get(3) {
        Some(b'-') => Some((code, true)),
        Some(b' ' | b'\r' | b'\n') | None => Some((code, false)),
        Some(_) => None,
    }
}

/// The reply as suppaftp understands it: the same one, or the same meaning in the form that it
/// knows. It wants at least five bytes, ends a multi-line reply at any code, takes the address of a
/// 227 only from brackets and the port of a 229 only from `(|||n|)`, and both only from UTF-8.
pub(super) fn normalise(reply: &[u8]) -> Vec<u8> {
    match reply.get(..3) {
        Some(b"227") => {
            if let Some(numbers) = address_numbers(reply) {
                let list: Vec<_> = numbers.iter().map(ToString::to_string).collect();
                return format!("227 passive ({})\r\n", list.join(",")).into_bytes();
            }
        }
        Some(b"229") => {
            if let Some(port) = extended_port(reply) {
                return format!("229 extended passive (|||{port}|)\r\n").into_bytes();
            }
        }
        _ => {}
    }
    let mut plain = Vec::with_capacity(reply.len() + 4);
    let mut lines = reply.split_inclusive(|byte| *byte == b'\n').peekable();
    let mut first = true;
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        if is_last && code_of(line).is_some() {
            // A code alone on its line is not enough for suppaftp.
            plain.extend_from_slice(&line[..3]);
            plain.push(b' ');
            plain.extend_from_slice(line[3..].strip_prefix(b" ").unwrap_or(&line[3..]));
        } else {
            if !first && code_of(line).is_some_and(|(_, more)| !more) {
                // A line in the middle that would be taken for the last.
                plain.push(b' ');
            }
            plain.extend_from_slice(line);
        }
        first = false;
    }
    plain
}

/// The six numbers of a 227, with or without brackets (RFC 959, 4.2; RFC 1123, 4.1.2.6).
fn address_numbers(reply: &[u8]) -> Option<[u8; 6]> {
    let text = reply.get(3..)?;
    let mut at = 0;
    while at < text.len() {
        if text[at].is_ascii_digit()
            && let Some(found) = six_numbers(&text[at..])
        {
            return Some(found);
        }
        // On to the next place where a number begins.
        while at < text.len() && text[at].is_ascii_digit() {
            at += 1;
        }
        at += 1;
    }
    None
}

fn six_numbers(text: &[u8]) -> Option<[u8; 6]> {
    let mut numbers = [0_u8; 6];
    let mut rest = text;
    for (index, number) in numbers.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b",")?;
            while let Some(after) = rest.strip_prefix(b" ") {
                rest = after;
            }
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        *number = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        rest = &rest[digits..];
    }
    Some(numbers)
}

/// The port of a 229 `(<d><d><d><port><d>)` with any delimiter (RFC 2428, 3).
fn extended_port(reply: &[u8]) -> Option<u16> {
    let open = reply.iter().position(|byte| *byte == b'(')?;
    let inside = &reply[open + 1..];
    let delimiter = *inside.first()?;
    if delimiter.is_ascii_digit() {
        return None;
    }
    let mut fields = inside.split(|byte| *byte == delimiter);
    // Before the first delimiter is nothing; the protocol and the address may be empty.
    let port = fields.nth(3)?;
    std::str::from_utf8(port).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_at_its_own_code() {
        let greeting = b"230-welcome\r\n100 files\r\n 230 not yet\r\n230 in\r\n250 more\r\n";
        let end = reply_length(greeting).unwrap().unwrap();
        assert!(greeting[..end].ends_with(b"230 in\r\n"));
        assert_eq!(reply_length(b"220 hel").unwrap(), None);
        assert_eq!(reply_length(b"220-a\r\nb\r\n").unwrap(), None);
        assert_eq!(reply_length(b"226\r\n").unwrap(), Some(5));
        assert_eq!(reply_length(b"226 done\n").unwrap(), Some(9), "line ends of LF only (F04)");
        assert!(reply_length(b"<html>\r\n").is_err());
        assert!(reply_length(&vec![b'2'; REPLY_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn addresses_are_read_kindly_and_nonsense_is_left_alone() {
        let plain = |text: &[u8]| String::from_utf8_lossy(&normalise(text)).into_owned();
        assert_eq!(plain(b"227 ok (1,2,3,4,5,6)\r\n"), "227 passive (1,2,3,4,5,6)\r\n");
        assert_eq!(plain(b"227 10, 0, 0, 1, 200, 1\r\n"), "227 passive (10,0,0,1,200,1)\r\n");
        assert_eq!(plain(b"227 \xbd\xf8\xc8\xeb =127,0,0,1,4,5.\r\n"), "227 passive (127,0,0,1,4,5)\r\n");
        assert_eq!(plain(b"227 ok (999,2,3,4,5,6)\r\n"), "227 ok (999,2,3,4,5,6)\r\n");
        assert_eq!(plain(b"229 ok (!!!6446!)\r\n"), "229 extended passive (|||6446|)\r\n");
        assert_eq!(plain(b"229 ok (|1|10.0.0.1|99|)\r\n"), "229 extended passive (|||99|)\r\n");
        assert_eq!(plain(b"229 ok (6446)\r\n"), "229 ok (6446)\r\n");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>) {
            if let Ok(Some(length)) = reply_length(&bytes) {
                assert!(length <= bytes.len());
                normalise(&bytes[..length]);
            }
            normalise(&bytes);
        }

        #[test]
        fn replies_are_cut_where_they_end(first in "[^\n]{0,40}", second in "[^\n]{0,40}") {
            let (one, two) = (format!("226 {first}\r\n"), format!("250 {second}\r\n"));
            let both = format!("{one}{two}").into_bytes();
            assert_eq!(reply_length(&both), Ok(Some(one.len())));
        }
    }

    #[test]
    fn inner_lines_do_not_end_a_reply_for_suppaftp() {
        let reply = b"230-hi\r\n100 files\r\n230 in\r\n";
        assert_eq!(normalise(reply), b"230-hi\r\n 100 files\r\n230 in\r\n");
        assert_eq!(normalise(b"226\r\n"), b"226 \r\n");
        assert_eq!(normalise(b"230-a\r\n230\r\n"), b"230-a\r\n230 \r\n");
    }
}
