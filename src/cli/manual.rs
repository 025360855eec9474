//! The command line about itself: completion, man pages, and its reference as Markdown.

use std::path::PathBuf;

use clap::{Arg, Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::failure::{Done, Failure, USAGE};
use super::output::print;
use super::session::Common;
use super::settings::Settings;
use super::text::markdown;

/// The head of the page.
const HEAD: &str = "# Command line

<!-- made by `slipway reference`; do not edit -->

One binary: `server`, `worker`, `demo`, `migrate`, `ready` and `config` run a part of slipway, all other commands are a client of its API.

```console
$ slipway login --url https://slipway.example.org       # asks for a key, and keeps both
$ slipway datasets upload breast-cancer demo/breast_cancer.csv
$ slipway train --dataset breast-cancer --target diagnosis --register-as breast-cancer --watch
$ slipway models promote breast-cancer 1 --reason 'first model' --wait
$ slipway predict breast-cancer demo/breast_cancer.csv
```

## Server and key

| | a flag beats | the environment, which beats | the profile |
|---|---|---|---|
| server | `--url` | `SLIPWAY_URL` | kept by `slipway login` |
| key | `--key` | `SLIPWAY_KEY` | kept by `slipway login`; sent to the profile's server alone |
| profile | `--profile` | `SLIPWAY_PROFILE` | the one of the last `slipway login` or `slipway profiles use` |

Without any of them the server is http://127.0.0.1:7500, which asks its owner for no key. Profiles are in `slipway/profiles.toml` below
`XDG_CONFIG_HOME` or `~/.config`, with mode 0600; a file that others can read is refused.

## Output

The answer goes to standard output, everything else (progress, questions, errors) to standard error. `-o table` is for people: numbers
at the right, on a terminal colours and relative times. `-o json` and `-o yaml` hold what the API answers, `-o name` one name or id a
line. Colours and bars appear on terminals only; `NO_COLOR` and `--no-color` do without. Lists read as many pages as `--limit` asks for.
What can't be undone asks first, and needs `--yes` where nobody can be asked.

A request that the server can't take now (429, 503) is sent again up to three times, as `Retry-After` says; a POST carries an
`Idempotency-Key`, so it is carried out once however often it is sent.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | failed: refused by the server, ended without success, could not write |
| 2 | the command line, a file that it names, a profile or the settings can't be used; nothing was asked of a server |
| 3 | what was asked for is not there |
| 4 | the key is missing or unknown, or its role may not do that |
| 5 | the state of things does not allow it: gates, a moved alias, a job that has ended |
| 6 | the server does not answer, not in time, or not now |
| 130 | ended from the keyboard |

An error names the problem's code and the request's id, which the server's log names too, and says what to do next.
";

/// Prints a script that completes commands, flags and words.
///
/// For bash: source <(slipway completion bash); for zsh, a file _slipway in a folder of $fpath; for fish:
/// slipway completion fish | source
#[derive(Args)]
pub(super) struct Completion {
    /// The shell.
    shell: Shell,
}

impl Completion {
    pub(super) fn run(self) -> Done {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "slipway", &mut script);
        super::output::print_bytes(&script)
    }
}

/// Writes man pages, one for each command.
#[derive(Args)]
pub(super) struct Man {
    /// Folder to write them to; made when it is not there.
    folder: PathBuf,
}

impl Man {
    pub(super) fn run(self) -> Done {
        let unusable = |e: std::io::Error| Failure::new(USAGE, format!("can't write to {}: {e}", self.folder.display()));
        std::fs::create_dir_all(&self.folder).map_err(unusable)?;
        clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &self.folder).map_err(unusable)
    }
}

/// Prints the reference of all commands.
pub(super) fn reference() -> Done {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut page = HEAD.to_owned();
    let common = Common::augment_args(Command::new(""));
    page.push_str("\n## Flags of every client command\n\n");
    common.get_arguments().for_each(|arg| page.push_str(&line(arg)));
    page.push_str("\n## Flags that are settings\n\nOf the commands that run a part of slipway; [configuration.md](configuration.md) has all settings.\n\n");
    Settings::augment_args(Command::new("")).get_arguments().for_each(|arg| page.push_str(&line(arg)));
    page.push_str("\n## Commands\n");
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        write(&mut page, command, "slipway");
    }
    print(&page)
}

fn write(page: &mut String, command: &Command, parent: &str) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let nested: Vec<&Command> = command.get_subcommands().collect();
    let depth = if nested.is_empty() || parent != "slipway" { "####" } else { "###" };
    let depth = if parent == "slipway" { "###" } else { depth };
    page.push_str(&format!("\n{depth} {name}\n\n{about}\n"));
    if nested.is_empty() {
        let usage = command.clone().render_usage().to_string();
        page.push_str(&format!("\n```text\n{}\n```\n\n", usage.trim_start_matches("Usage: ")));
        let is_own = |arg: &&Arg| !arg.is_global_set() && arg.get_help_heading() != Some("Settings") && arg.get_id() != "help";
        let own = command.get_arguments().filter(is_own);
        own.for_each(|arg| page.push_str(&line(arg)));
    }
    nested.into_iter().for_each(|command| write(page, command, &name));
}

/// One argument or flag.
fn line(arg: &Arg) -> String {
    let values: Vec<String> = arg.get_value_names().into_iter().flatten().map(|name| format!("<{name}>")).collect();
    let takes = arg.get_action().takes_values();
    let value = if takes && !arg.is_positional() { format!(" {}", values.join(" ")) } else { String::new() };
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("`-{short}`, `--{long}{value}`"),
        (None, Some(long)) => format!("`--{long}{value}`"),
        (Some(short), None) => format!("`-{short}{value}`"),
        (None, None) => format!("`{}`", values.join(" ")),
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let words: Vec<String> =
        if takes { arg.get_possible_values().iter().map(|word| format!("`{}`", word.get_name())).collect() } else { Vec::new() };
    let words = if words.is_empty() { String::new() } else { format!(" One of {}.", words.join(", ")) };
    let default: Vec<String> = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = match takes && !arg.is_hide_default_value_set() && !default.is_empty() {
        true => format!(" Default: `{}`.", default.join(" ")),
        false => String::new(),
    };
    let end = if help.ends_with('.') { "" } else { "." };
    format!("- {name}: {}{end}{words}{default}\n", markdown(&help))
}
