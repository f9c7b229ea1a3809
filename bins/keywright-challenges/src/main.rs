//! Step 1: collect one WebAuthn registration challenge per user of a group.

mod cli;

use std::process::ExitCode;
use std::sync::Arc;

use keywright_cli::{Screen, Terminal};
use keywright_provision::{
    Cancel, CollectSettings, Config, EntraProvider, Error, Summary, collect,
};

use cli::Cli;

fn main() -> ExitCode {
    keywright_cli::main(|cli: &Cli| cli.json, program)
}

async fn program(cli: Cli, screen: Arc<Screen>, cancel: Cancel) -> Result<Summary, Error> {
    let config = Config::read(&cli.config)?;
    let provider = EntraProvider::new(&config, screen.clone()).map_err(Error::Provider)?;
    let mut settings = CollectSettings::new(&config, cli.out);
    settings.confirmed = cli.yes;
    settings.resume = cli.resume;
    let operator = Terminal {
        screen: screen.clone(),
        assume_yes: cli.yes,
        agree_to_resets: false,
        give_up_lost_keys: false,
    };
    collect(&provider, &settings, &operator, screen.as_ref(), &cancel).await
}
