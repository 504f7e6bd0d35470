//! A mail server that keeps what it is given, and refuses whom it is told to. Must not reach beyond this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A letter that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub from: String,
    pub to: String,
    /// Head and text as they came.
    pub data: String,
}

impl Mail {
    /// The value of a line of the head, unfolded.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.data.split("\r\n\r\n").next()?.replace("\r\n ", " ");
        let found = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")))?;
        Some(found.to_owned())
    }
}

/// A running server. It goes on until the test ends.
#[derive(Clone)]
pub struct Smtp {
    /// Host and port.
    pub address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    mails: Mutex<Vec<Mail>>,
    /// What is answered to a recipient.
    answers: Mutex<BTreeMap<String, String>>,
    /// What is said in the place of a greeting.
    down: Mutex<Option<String>>,
}

impl Smtp {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::<Shared>::default();
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                // One that breaks off has said all that it will.
                thread::spawn(move || drop(talk(&stream, &shared)));
            }
        });
        Self { address, shared }
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().unwrap().clone()
    }

    /// Answers this to whoever writes to that address; an empty answer takes it back.
    pub fn answer(&self, to: &str, answer: &str) {
        let mut answers = self.shared.answers.lock().unwrap();
        if answer.is_empty() {
            answers.remove(to);
        } else {
            answers.insert(to.to_owned(), answer.to_owned());
        }
    }

    /// Says this in the place of a greeting, and hangs up.
    pub fn down(&self, saying: Option<&str>) {
        *self.shared.down.lock().unwrap() = saying.map(str::to_owned);
    }
}

fn talk(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut out = stream;
    let mut lines = BufReader::new(stream);
    let mut say = |text: &str| out.write_all(format!("{text}\r\n").as_bytes());
    let down = shared.down.lock().unwrap().clone();
    if let Some(saying) = down {
        return say(&saying);
    }
    say("220 practice")?;
    let (mut from, mut to) = (String::new(), Vec::new());
    let address = |line: &str| {
        let inside = line.split('<').nth(1).and_then(|rest| rest.split('>').next());
        inside.unwrap_or_default().to_owned()
    };
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" => say("250 practice")?,
            "MAIL" => {
                from = address(&line);
                say("250 ok")?;
            }
            "RCPT" => {
                let whom = address(&line);
                let answer = shared.answers.lock().unwrap().get(&whom).cloned();
                if answer.is_none() {
                    to.push(whom);
                }
                say(answer.as_deref().unwrap_or("250 ok"))?;
            }
            "DATA" => {
                say("354 go on")?;
                let data = data(&mut lines)?;
                let mut mails = shared.mails.lock().unwrap();
                for to in to.drain(..) {
                    mails.push(Mail { from: from.clone(), to, data: data.clone() });
                }
                drop(mails);
                say("250 taken")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok")?,
        }
    }
}

/// Up to the lone dot, with the dots that were doubled.
fn data(lines: &mut impl BufRead) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
