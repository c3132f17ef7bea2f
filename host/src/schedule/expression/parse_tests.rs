//! What is read, what is refused, and how it is said.

use super::Expression;
use super::parse::Kind;

fn words(text: &str) -> String {
    Expression::parse(text).unwrap_or_else(|wrong| panic!("{wrong}")).in_words()
}

fn refusal(text: &str) -> (String, String) {
    let wrong = Expression::parse(text).expect_err(text);
    (wrong.message, wrong.hint.unwrap_or_default())
}

fn forms(text: &str) -> Vec<String> {
    match Expression::parse(text).unwrap().kind {
        Kind::Fields(fields) => fields.walks.iter().map(ToString::to_string).collect(),
        Kind::Every(seconds) => vec![format!("{seconds} s")],
    }
}

#[test]
fn fields_are_posix_and_become_the_crates_own() {
    assert_eq!(forms("0 2 * * *"), ["0 0 2 * * * *"]);
    assert_eq!(forms("30 0 2 * * *"), ["30 0 2 * * * *"], "six fields begin with seconds");
    assert_eq!(forms("0 2 * * 1-5"), ["0 0 2 * * 2,3,4,5,6 *"], "Monday is 1 here and 2 there");
    assert_eq!(forms("0 2 * * 7"), forms("0 2 * * sun"));
    assert_eq!(forms("0 2 * * 0,7"), forms("0 2 * * 0"));
    assert_eq!(forms("0 2 * * fri-sun"), ["0 0 2 * * 1,6,7 *"]);
    assert_eq!(forms("0 2 * * 0-7"), ["0 0 2 * * * *"]);
    assert_eq!(forms("0 3-7 * * *"), ["0 0 3,4,5,6,7 * * * *"], "only a day of the week has two Sundays");
    assert_eq!(forms("50/4 0 1 Jan,DEC *"), ["0 50,54,58 0 1 1,12 * *"], "a/n goes on to the end");
    assert_eq!(forms("0 0 1-10/3 * *"), ["0 0 0 1,4,7,10 * * *"]);
    assert_eq!(forms("0 0 13 * 5"), ["0 0 0 13 * * *", "0 0 0 * * 6 *"], "either day is enough");
    assert_eq!(forms("0 0 */2 * 1").len(), 1, "a field that begins with a star doesn't restrict");
    assert_eq!(forms("0 0 1 * */2").len(), 1);
    assert_eq!(forms("@daily"), forms("0 0 * * *"));
    assert_eq!(forms("@Weekly"), forms("0 0 * * 0"));
    assert_eq!(forms("  @every   1h30m "), ["5400 s"]);
}

#[test]
fn wrong_fields_are_pointed_at() {
    for (text, message, hint) in [
        ("61 2 * * *", "field 1, minute `61`: it goes from 0 to 59", ""),
        ("0 24 * * *", "field 2, hour `24`: it goes from 0 to 23", ""),
        ("0 0 2 0 * *", "field 4, day of the month `0`: it goes from 1 to 31", ""),
        ("0 0 * 13 *", "field 4, month `13`", ""),
        ("0 0 * * 8", "field 5, day of the week `8`: it goes from 0 to 7", ""),
        ("0,x,5 2 * * *", "minute `x` (in `0,x,5`): `x` is not a number", "0 to 59"),
        ("0 0 * foo *", "month `foo`", "jan to dec"),
        ("0 22-2 * * *", "the range ends before it begins", "22-23,0-2"),
        ("*/0 * * * *", "the step after `/` goes from 1 to 59", "@every"),
        ("*/90 * * * *", "the step after `/` goes from 1 to 59", "@every 90m"),
        ("5- * * * *", "a number is missing", ""),
        ("*-5 * * * *", "`*` stands alone", "*/15"),
        (", * * * *", "a number is missing", ""),
        ("+5 * * * *", "`+5` is not a number", ""),
        ("*/+5 * * * *", "the step after `/`", ""),
        ("0 2 L * *", "field 3, day of the month `L`: `L` (the last) isn't known here", "28-31"),
        ("0 2 L-3 * *", "`L` (the last)", ""),
        ("0 2 * * 5L", "`L` (the last)", ""),
        ("0 2 15W * *", "`W` (the nearest working day)", "--exclude"),
        ("0 2 LW * *", "`W` (the nearest working day)", ""),
        ("0 2 * * 5#2", "`#` (the n-th", "8-31"),
        ("0 2 ? * 1", "`?` is Quartz's", "write `*`"),
        ("0 2 * *", "it has 4 fields", "5 fields"),
        ("", "it has 0 fields", "5 fields"),
        ("0 0 2 * * * 2027", "it has 7 fields", "--start"),
        ("TZ=UTC 0 2 * *  * *", "it has 7 fields", "--tz"),
        ("0 2 31 2 *", "it can never fire", "month"),
        ("0 2 30,31 2 */2", "it can never fire", ""),
        ("0 2 31 4,6,9,11 *", "it can never fire", ""),
        ("@reboot", "isn't known", "orchestrator run"),
        ("@fortnightly", "isn't known", "@weekly"),
        ("@every", "isn't known", "@every 15m"),
        ("@every 15", "isn't a number with a unit", "15m"),
        ("@every 0s", "between 1s and 366d", ""),
        ("@every 400d", "between 1s and 366d", ""),
        ("@every 99999999999999999999d", "isn't a number with a unit", ""),
    ] {
        let (found, help) = refusal(text);
        assert!(found.contains(message), "{text}: {found}");
        assert!(help.contains(hint), "{text}: {help}");
        assert!(found.starts_with("cron expression `"), "{found}");
    }
    assert!(refusal(&"1,".repeat(2000)).0.contains("longer than"));
}

#[test]
fn what_fires_rarely_is_taken() {
    for text in ["0 0 29 2 *", "0 0 31 2 1", "0 0 29 2 */7", "0 0 30,31 1,2 *", "59 59 23 31 12 *"] {
        assert!(Expression::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn names_are_not_taken_for_the_signs_of_other_dialects() {
    for text in ["0 0 1 jul *", "0 0 * * wed", "0 0 1 JUL-AUG/2 *", "0 0 * * Wed,Sun"] {
        assert!(Expression::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn expressions_are_said_in_words() {
    for (text, said) in [
        ("0 2 * * *", "at 02:00 every day"),
        ("0 2 * * 1-5", "at 02:00 on Monday to Friday"),
        ("0 2 * * 6,0", "at 02:00 on Saturday and Sunday"),
        ("0 2 * * 1-7", "at 02:00 every day"),
        ("30 6,18 1 * *", "at 06:30 and 18:30 on day 1 of the month"),
        ("15 0 2 * * *", "at 02:00:15 every day"),
        ("0 0 13 * 5", "at 00:00 on day 13 of the month, or on Friday"),
        (
            "0 0 */2 1,7 1",
            "at 00:00 on days 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29 and 31 \
                           of the month where that is Monday in January and July",
        ),
        ("*/15 * * * *", "every 15 minutes"),
        ("* * * * *", "every minute"),
        ("* * * * * *", "every second"),
        ("*/10 * * * * *", "every 10 seconds of every minute"),
        ("7 * * * *", "at minute 7 of every hour"),
        ("*/7 * * * *", "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"),
        ("*/15 9-17 * * mon", "every 15 minutes of hours 9 to 17 on Monday"),
        ("0 */6 * * *", "at minute 0 of hours 0, 6, 12 and 18"),
        ("0 0 1 1 *", "at 00:00 on day 1 of the month in January"),
        ("0 12 * 6-8 *", "at 12:00 every day in June to August"),
        ("@every 90m", "every 1 hour 30 minutes"),
        ("@every 15m", "every 15 minutes"),
        ("@every 1h", "every hour"),
        ("@hourly", "at minute 0 of every hour"),
        ("0 0 13 5 5", "at 00:00 on day 13 of the month, or on Friday, in May"),
    ] {
        assert_eq!(words(text), said, "{text}");
    }
}

#[test]
fn what_is_left_out_is_said_by_its_days() {
    let said = |text: &str| Expression::parse(text).unwrap().excluded_in_words();
    assert_eq!(said("* * 8-31 * *"), "on days 8 to 31 of the month");
    assert_eq!(said("* * 24-26 12 *"), "on days 24 to 26 of the month in December");
    assert_eq!(said("* 12 * * *"), "every minute of hour 12");
}
