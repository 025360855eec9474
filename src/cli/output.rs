//! What goes to standard output: tables for people, JSON, YAML and names for programs. Messages go to standard error.

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use super::failure::{Done, Failure};
use super::style::Style;
use super::table::{Column, Table};
use super::{text, yaml};
use crate::clock::{Clock as _, SystemClock};

/// The form of what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Columns for people.
    Table,
    /// JSON, as the server's API has it.
    Json,
    /// The same as YAML.
    Yaml,
    /// One name or id a line.
    Name,
}

/// How a noun is shown.
pub(super) struct View {
    /// For the message that there are none.
    pub(super) plural: &'static str,
    /// The field that names one.
    pub(super) name: &'static str,
    /// Columns of a table.
    pub(super) columns: &'static [Column],
    /// What is shown of a single one besides.
    pub(super) more: &'static [Column],
}

/// Where and how a command prints.
pub(super) struct Output {
    pub(super) form: Form,
    pub(super) quiet: bool,
    pub(super) style: Style,
    is_terminal: bool,
}

impl Output {
    pub(super) fn new(form: Form, quiet: bool, no_color: bool) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { form, quiet, style: Style::new(is_terminal && !no_color), is_terminal }
    }

    /// Tells people something that is not the answer.
    pub(super) fn note(&self, message: &str) {
        if !self.quiet {
            eprintln!("{}", text::plain(message));
        }
    }

    /// Prints a single thing.
    pub(super) fn one(&self, item: &Value, view: &View) -> Done {
        match self.form {
            Form::Table => print(&self.table().describe(item, view.columns.iter().chain(view.more))),
            Form::Name => print(&format!("{}\n", text::scalar(&item[view.name]))),
            _ => self.value(item),
        }
    }

    /// Prints a value that has no table of its own; as a table it is YAML.
    pub(super) fn value(&self, item: &Value) -> Done {
        match self.form {
            Form::Json => print(&format!("{item:#}\n")),
            _ => print(&format!("{}\n", yaml::write(item, 0))),
        }
    }

    /// Begins a list that is printed as its pages come.
    pub(super) fn list<'a>(&'a self, view: &'a View) -> Listing<'a> {
        Listing { out: self, view, columns: view.columns.to_vec(), table: None, count: 0 }
    }

    /// Prints a list that is there as a whole.
    pub(super) fn all(&self, items: &[Value], view: &View) -> Done {
        let mut list = self.list(view);
        list.page(items)?;
        list.end()
    }

    /// Prints one of many things that come by and by: a line each.
    pub(super) fn line(&self, item: &Value, view: &View, shown: impl FnOnce() -> String) -> Done {
        match self.form {
            Form::Table => print(&format!("{}\n", shown())),
            Form::Json => print(&format!("{item}\n")),
            Form::Yaml => print(&format!("---\n{}\n", yaml::write(item, 0))),
            Form::Name => print(&format!("{}\n", text::scalar(&item[view.name]))),
        }
    }

    /// Times are relative on a terminal.
    fn table(&self) -> Table {
        Table::new(self.style, self.is_terminal.then(|| SystemClock.now()))
    }
}

/// A list under way. Only one page of it is held.
pub(super) struct Listing<'a> {
    out: &'a Output,
    view: &'a View,
    columns: Vec<Column>,
    table: Option<Table>,
    count: usize,
}

impl Listing<'_> {
    /// Adds columns that only this list has.
    pub(super) fn with(mut self, more: impl IntoIterator<Item = Column>) -> Self {
        self.columns.extend(more);
        self
    }

    /// Prints a page.
    pub(super) fn page(&mut self, items: &[Value]) -> Done {
        if items.is_empty() {
            return Ok(());
        }
        let first = self.count == 0;
        self.count += items.len();
        match self.out.form {
            Form::Table => {
                let table = self.table.get_or_insert_with(|| self.out.table());
                print(&table.rows(items, &self.columns))
            }
            Form::Name => print(&items.iter().map(|item| text::scalar(&item[self.view.name]) + "\n").collect::<String>()),
            Form::Yaml => print(&format!("{}\n", yaml::write(&Value::from(items), 0))),
            Form::Json => {
                let mut out = String::new();
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if first && at == 0 { "[\n  " } else { ",\n  " });
                    out.push_str(&format!("{item:#}").replace('\n', "\n  "));
                }
                print(&out)
            }
        }
    }

    /// Prints the end.
    pub(super) fn end(self) -> Done {
        match (self.out.form, self.count) {
            (Form::Json | Form::Yaml, 0) => print("[]\n"),
            (Form::Json, _) => print("\n]\n"),
            (Form::Table, 0) => {
                self.out.note(&format!("no {}", self.view.plural));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Prints a text.
pub(super) fn print(text: &str) -> Done {
    print_bytes(text.as_bytes())
}

/// Prints bytes.
pub(super) fn print_bytes(bytes: &[u8]) -> Done {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::reader_left()),
        Err(e) => Err(Failure::from(format!("can't write to standard output: {e}"))),
        Ok(()) => Ok(()),
    }
}
