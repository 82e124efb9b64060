//! Transcripts of procedures: what operators type at the consoles of their nodes, step by step.
//!
//! A step begins with a line `// == CONSOLE`, and may go on with `generated` or `registered` (it is for keys of that kind
//! alone) and `takes NAME…`: files that another console wrote, and texts that another printed as `NAME = …`.

use std::{collections::BTreeMap, fs, path::Path};

use cantle_testkit::{Finished, Process};

use crate::support::{SOON, Workplace};

/// Where a node's keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// The console makes them.
    Generated,
    /// The operator has made them in the KMS.
    Registered,
}

/// What is typed at one console.
#[derive(Debug)]
struct Step<'a> {
    console: &'a str,
    takes: Vec<&'a str>,
    lines: String,
}

/// The steps of a transcript for keys of one kind.
fn steps(transcript: &str, keys: Keys) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut is_wanted = false;
    for line in transcript.lines() {
        if let Some(header) = line.strip_prefix("// == ") {
            let mut words = header.split_whitespace().peekable();
            let console = words.next().unwrap();
            let only = match words.peek() {
                Some(&"generated") => Some(Keys::Generated),
                Some(&"registered") => Some(Keys::Registered),
                _ => None,
            };
            if only.is_some() {
                words.next();
            }
            let takes = match words.next() {
                None => Vec::new(),
                Some("takes") => words.collect(),
                Some(other) => panic!("{other:?} in the header {line:?}"),
            };
            is_wanted = only.is_none_or(|only| only == keys);
            if is_wanted {
                steps.push(Step { console, takes, lines: String::new() });
            }
        } else if is_wanted && let Some(step) = steps.last_mut() {
            step.lines.push_str(line);
            step.lines.push('\n');
        }
    }
    assert!(!steps.is_empty(), "a transcript without steps");
    steps
}

/// All that is typed at one console, as one script.
pub(crate) fn script(transcript: &str, keys: Keys) -> String {
    let steps = steps(transcript, keys);
    assert!(steps.iter().all(|step| step.console == steps[0].console), "more than one console");
    steps.into_iter().map(|step| step.lines).collect()
}

/// Nodes, each in a process of its own that is its console, too, in a folder of its own.
#[derive(Debug, Default)]
pub(crate) struct Consoles {
    open: BTreeMap<String, Process>,
    /// What was printed as `NAME = …`.
    printed: BTreeMap<String, String>,
    markers: usize,
}

impl Consoles {
    /// Starts a node with its console.
    pub(crate) fn open(&mut self, workplace: &Workplace, node: &str, config: &Path) {
        let folder = workplace.path(node);
        fs::create_dir(&folder).unwrap();
        let mut command = workplace.cantle();
        command.current_dir(folder).arg("console").arg("-c").arg(config);
        self.open.insert(node.to_owned(), Process::spawn(&mut command).unwrap());
    }

    /// Goes through a transcript.
    pub(crate) fn follow(&mut self, workplace: &Workplace, transcript: &str, keys: Keys) {
        for step in steps(transcript, keys) {
            for taken in &step.takes {
                if taken.contains('.') {
                    hand_over(workplace, taken, step.console);
                }
            }
            let values = step.takes.iter().filter(|name| !name.contains('.'));
            let values: String = values
                .map(|name| {
                    let value = self.printed.get(*name).unwrap_or_else(|| panic!("nobody printed {name}"));
                    format!("val {name} = \"{value}\"\n")
                })
                .collect();
            self.markers += 1;
            let marker = format!("step {} is done", self.markers);
            let console = self.open.get_mut(step.console).unwrap();
            // The last line shows that the one before it is whole.
            let typed = format!("{values}{}println(\"{marker}\")\n//", step.lines);
            for line in typed.lines() {
                // A console that has ended says why when it is waited for.
                let _ = console.write_line(line);
            }
            for name in printed_names(&step.lines) {
                let line =
                    console.wait_for(&format!("{name} = "), SOON).unwrap_or_else(|error| panic!("{error}"));
                let value = line.split_once(" = ").unwrap().1;
                self.printed.insert(name.to_owned(), value.to_owned());
            }
            if let Err(error) = console.wait_for(&marker, SOON) {
                panic!("{error}\nafter the step\n{}", step.lines);
            }
        }
    }

    /// Ends all consoles and their nodes.
    pub(crate) fn close(self) -> Vec<Finished> {
        self.open.into_values().map(|console| console.finish(SOON).unwrap()).collect()
    }
}

/// The names of `println(s"NAME = …")`.
fn printed_names(lines: &str) -> impl Iterator<Item = &str> {
    lines.lines().filter_map(|line| line.strip_prefix("println(s\"")?.split_once(" = ").map(|(name, _)| name))
}

/// Brings a file from the console that wrote it.
fn hand_over(workplace: &Workplace, file: &str, to: &str) {
    let folders = fs::read_dir(workplace.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let written: Vec<_> = folders
        .filter(|folder| !folder.ends_with(to))
        .map(|folder| folder.join(file))
        .filter(|path| path.exists())
        .collect();
    let from = written.first().unwrap_or_else(|| panic!("nobody wrote {file}"));
    fs::copy(from, workplace.path(to).join(file)).unwrap();
}
