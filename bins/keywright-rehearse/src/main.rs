//! Both steps against a simulated tenant with software keys.

mod cli;
mod stage;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keywright_cli::Screen;
use keywright_provision::batch::SqliteLedger;
use keywright_provision::{
    Cancel, CollectSettings, Config, EntraProvider, Error, Parties, RegisterSettings, Summary,
    Unattended, collect, register,
};
use keywright_rehearsal_tenant::{Fault, RehearsalTenant, TenantConfig};
use keywright_virtual_key::VirtualKeys;

use cli::Cli;
use stage::Stage;

fn main() -> ExitCode {
    keywright_cli::main(|cli: &Cli| cli.json, rehearse)
}

async fn rehearse(cli: Cli, screen: Arc<Screen>, cancel: Cancel) -> Result<Summary, Error> {
    let in_directory = |source| Error::SetAside {
        path: cli.dir.clone(),
        source,
    };
    let stage = Stage::prepare(&cli.dir).map_err(in_directory)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, cli.port));
    let tenant = RehearsalTenant::start(tenant_config(&cli), address)
        .await
        .map_err(|error| Error::Internal(error.to_string()))?;
    stage.write_config(&tenant).map_err(in_directory)?;
    if cli.keep_serving {
        screen.say(&how_to_go_on(&stage, &tenant));
        cancel.raised().await;
        return Ok(Summary::default());
    }
    let begun = Instant::now();
    let summary = both_steps(&cli, &stage, Arc::clone(&screen), &cancel).await?;
    screen.say(&table(&stage, &tenant, &summary, begun.elapsed()));
    Ok(summary)
}

async fn both_steps(
    cli: &Cli,
    stage: &Stage,
    screen: Arc<Screen>,
    cancel: &Cancel,
) -> Result<Summary, Error> {
    let config = Config::read(&stage.config())?;
    let provider = EntraProvider::new(&config, screen.clone()).map_err(Error::Provider)?;
    let settings = CollectSettings::new(&config, stage.challenges());
    let collected = collect(&provider, &settings, &Unattended, screen.as_ref(), cancel).await?;
    if collected.interrupted {
        return Ok(collected);
    }
    let settings = RegisterSettings::new(&config, stage.challenges(), stage.results());
    let touch = Duration::from_millis(cli.touch_ms);
    let mut ledger = SqliteLedger::open(&stage.ledger())?;
    let parties = Parties {
        provider: &provider,
        keys: Box::new(VirtualKeys::new(stage.keys()).with_touch_delay(touch)),
        ledger: &mut ledger,
        operator: Arc::new(Unattended),
        reporter: screen,
        cancel: cancel.clone(),
    };
    let mut registered = register(parties, &settings).await?;
    registered.failed += collected.failed;
    registered.skipped += collected.skipped;
    Ok(registered)
}

fn tenant_config(cli: &Cli) -> TenantConfig {
    let mut config = TenantConfig {
        users: cli.users,
        guests: cli.guests,
        disabled: cli.disabled,
        existing_passkeys: cli.existing_keys,
        ..TenantConfig::default()
    };
    config.models.insert(
        keywright_virtual_key::VIRTUAL_KEY_AAGUID,
        "Keywright virtual key".to_owned(),
    );
    if cli.latency_ms > 0 {
        let latency = Duration::from_millis(cli.latency_ms);
        config.faults.push(Fault::Latency(latency));
    }
    config
}

fn how_to_go_on(stage: &Stage, tenant: &RehearsalTenant) -> String {
    let quoted = |path: PathBuf| path.display().to_string();
    format!(
        "\nThe tenant {} is at {} until Ctrl-C; {}/rehearsal/state shows what it holds.\nNow run, in another terminal:\n\n  \
         keywright-challenges --config {} --out {}\n  keywright-register --config {} --in {} --out {} --keys virtual:{} --yes\n",
        tenant.tenant_name(),
        tenant.base_url(),
        tenant.base_url(),
        quoted(stage.config()),
        quoted(stage.challenges()),
        quoted(stage.config()),
        quoted(stage.challenges()),
        quoted(stage.results()),
        quoted(stage.keys()),
    )
}

fn table(stage: &Stage, tenant: &RehearsalTenant, summary: &Summary, took: Duration) -> String {
    let users = tenant.users().len();
    let rows = [
        ("users registered", format!("{} of {users}", summary.done)),
        ("skipped", summary.skipped.to_string()),
        ("failed", summary.failed.to_string()),
        ("keys at the tenant", tenant.method_count().to_string()),
        ("time", format!("{:.2} s", took.as_secs_f64())),
        ("challenges", stage.challenges().display().to_string()),
        ("serials and PINs", stage.results().display().to_string()),
    ];
    rows.iter()
        .map(|(name, value)| format!("\n  {name:<20} {value}"))
        .collect()
}
