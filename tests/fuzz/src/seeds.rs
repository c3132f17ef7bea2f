//! What chance begins with: the samples of the parsers' own tests, and replies as servers send them.

const LISTINGS: &[(&str, &[&str])] = &[
    ("unix", &[include_str!("../../../host/src/transfer/ftp/lines/samples/unix.txt"), MONTHS]),
    ("dos", &[include_str!("../../../host/src/transfer/ftp/lines/samples/dos.txt")]),
    ("eplf", &[include_str!("../../../host/src/transfer/ftp/lines/samples/eplf.txt")]),
    ("vms", &[include_str!("../../../host/src/transfer/ftp/lines/samples/vms.txt")]),
    ("ibm", &[include_str!("../../../host/src/transfer/ftp/lines/samples/ibm.txt")]),
    ("mlsd", &[MLSD]),
    ("mlst", &[MLSD]),
    ("nlst", &[include_str!("../../../host/src/transfer/ftp/lines/samples/nlst.txt")]),
];
const MONTHS: &str = include_str!("../../../host/src/transfer/ftp/lines/samples/months.txt");
const MLSD: &str = include_str!("../../../host/src/transfer/ftp/lines/samples/mlsd.txt");

const REPLIES: &[(&str, &[&str])] = &[
    (
        "pasv",
        &[
            "Entering Passive Mode (127,0,0,1,200,13).\r\n",
            "=10, 0, 0, 1, 4, 5\r\n",
            "Extended Passive Mode (|||6446|)\r\n",
            "ok (!1!10.0.0.1!99!)\r\n",
            "(999,1,2,3,4,5)\r\n",
            "passive (,200,03",
        ],
    ),
    (
        "feat",
        &[
            "211-Features:\r\n AUTH TLS\r\n EPSV\r\n HASH SHA-1*;SHA-256;MD5;CRC32\r\n MDTM\r\n MFMT\r\n \
             MLST modify*;perm*;size*;type*;\r\n REST STREAM\r\n SIZE\r\n UTF8\r\n XCRC\r\n211 End",
            "211-f\r\n211-SIZE\r\n211-rest stream\r\n XMD5\r\n XSHA256\r\n211 End",
            "211 no features",
        ],
    ),
    (
        "reply",
        &[
            "220 ready\r\n",
            "230-welcome\r\n100 files\r\n 230 not yet\r\n230 in\r\n250 more\r\n",
            "226\r\n",
            "226 done\n",
            "227 ok (1,2,3,4,5,6)\r\n",
            "229 ok (|||6446|)\r\n",
            "421 Too many connections, try again in 30 seconds.\r\n",
            "550 a b: Permission denied\r\n",
            "451-Error during write to file\r\n451 Transfer aborted\r\n",
        ],
    ),
    ("mdtm", &["20260102030405", "20260102030405.123", "191260102030405", "19700101000000"]),
    ("pwd", &["\"/home/u\" is the current directory", "\"/a \"\"b\"\"\"", "current is \"/\"."]),
    ("names", &["name", "caf\u{e9} \u{6587}\u{4ef6}", "\u{ff}\u{fb}", "\\", "a/b\r\n"]),
];

/// The beginnings of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let of_lists = LISTINGS.iter().filter(|(name, _)| *name == target || target == "list");
    let listings = of_lists.flat_map(|(_, texts)| texts.iter()).flat_map(|text| samples(text));
    let of_replies = REPLIES.iter().filter(|(name, _)| *name == target);
    let replies = of_replies.flat_map(|(_, texts)| texts.iter()).map(|text| text.as_bytes().to_vec());
    listings.chain(replies).collect()
}

/// The lines of each sample, without what they say and without remarks.
fn samples(text: &str) -> impl Iterator<Item = Vec<u8>> {
    text.split("\n\n").filter_map(|block| {
        let is_raw = |line: &&str| !line.starts_with("= ") && !line.starts_with("# ");
        let lines: Vec<_> = block.lines().filter(is_raw).collect();
        (!lines.is_empty()).then(|| lines.join("\r\n").replace("\\t", "\t").into_bytes())
    })
}
