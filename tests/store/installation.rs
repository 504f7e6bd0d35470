//! Golden values of rows about the installation as a whole; see `goldens`.

use carillon::store::rows::{AlertComment, AlertMark, BackupTest, Incident, OpenAlert};

use crate::goldens::{actors, at};

pub fn alert_marks() -> Vec<AlertMark> {
    let mark = |until| move |by| AlertMark { by, at: at(1), count: u64::MAX, until };
    let silenced = actors().map(mark(Some(at(2))));
    actors().map(mark(None)).into_iter().chain(silenced).collect()
}

pub fn open_alerts() -> [OpenAlert; 2] {
    let comment = |by| AlertComment { by, at: at(2), text: "being looked at".to_owned() };
    [Vec::new(), actors().map(comment).into()].map(|comments| OpenAlert { since: at(1), comments })
}

pub fn incidents() -> [Incident; 2] {
    let data = [("seconds".to_owned(), "3600".to_owned())];
    [data.into(), [].into()].map(|data| Incident { at: at(1), data })
}

pub fn backup_tests() -> Vec<BackupTest> {
    let test = |failed: Option<&'static str>| {
        move |by| BackupTest { by, at: at(1), failed: failed.map(str::to_owned) }
    };
    actors().map(test(None)).into_iter().chain(actors().map(test(Some("damaged")))).collect()
}
