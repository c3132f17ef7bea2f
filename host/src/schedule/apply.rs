//! Making the schedules those of a configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use super::definition::Definition;
use super::handle::Handle;
use super::record::Origin;

/// A schedule as the configuration has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The whole of it.
    pub definition: Definition,
    /// The component that its file holds.
    pub component: Vec<u8>,
}

/// One difference between two schedules of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What, as `timing.zone`.
    pub field: String,
    /// How it stands.
    pub from: Value,
    /// How it will.
    pub to: Value,
}

/// What is done to make one schedule that of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// It isn't there yet.
    Add {
        /// Its name.
        name: String,
    },
    /// It is otherwise.
    Edit {
        /// Its name.
        name: String,
        /// In what.
        differences: Vec<Difference>,
    },
    /// An earlier `apply` made it, and the configuration no longer has it.
    Remove {
        /// Its name.
        name: String,
    },
}

impl Handle {
    /// Makes the schedules those of a configuration, one by one in order of names; gives what was done, or
    /// with `dry_run` what would be. What `schedule add` made stays unless it has a name of the
    /// configuration; `prune` removes what an earlier `apply` made and isn't there any more.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Engine`] before anything is changed; [`Error::Changed`] where
    /// somebody changes a schedule in the same moment, after which those before it are done.
    pub async fn apply(
        &self,
        mut desired: Vec<Desired>,
        dry_run: bool,
        prune: bool,
    ) -> Result<Vec<Change>, Error> {
        desired.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        for Desired { definition, component } in &desired {
            definition.check()?;
            self.inner.runs.pin(component.clone(), &definition.grants).await?;
        }
        let stand = self.inner.records().await?;
        let mut changes = Vec::new();
        for Desired { definition, component } in &desired {
            let name = definition.name.clone();
            let Some(old) = stand.iter().find(|record| record.definition.name == name) else {
                if !dry_run {
                    self.add(definition.clone(), component.clone(), Origin::Applied, None).await?;
                }
                changes.push(Change::Add { name });
                continue;
            };
            let mut differences = differences(&old.definition, definition);
            let pinned = Self::blob_of(component);
            if pinned != old.component {
                let [from, to] = [old.component, pinned].map(|id| Value::String(id.to_hex()));
                differences.push(Difference { field: "digest".to_owned(), from, to });
            }
            if differences.is_empty() && old.origin == Origin::Applied {
                continue;
            }
            if !dry_run {
                let mut record = old.clone();
                record.origin = Origin::Applied;
                record.definition = definition.clone();
                let component = (pinned != old.component).then(|| component.clone());
                self.replace(record, &old.definition, component).await?;
            }
            if !differences.is_empty() {
                changes.push(Change::Edit { name, differences });
            }
        }
        let gone = stand.iter().filter(|record| {
            prune
                && record.origin == Origin::Applied
                && !desired.iter().any(|wanted| wanted.definition.name == record.definition.name)
        });
        for record in gone {
            let name = record.definition.name.clone();
            if !dry_run {
                self.remove(&name).await?;
            }
            changes.push(Change::Remove { name });
        }
        Ok(changes)
    }
}

/// In what two definitions differ, field by field.
fn differences(old: &Definition, new: &Definition) -> Vec<Difference> {
    let mut found = Vec::new();
    let [old, new] = [old, new].map(|definition| serde_json::to_value(definition).unwrap_or_default());
    compare("", &old, &new, &mut found);
    found
}

fn compare(field: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) {
    match (old, new) {
        // The input is the workflow's business, and shown whole.
        (Value::Object(old), Value::Object(new)) if field != "input" => {
            let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
            for name in names {
                let inner = if field.is_empty() { name.clone() } else { format!("{field}.{name}") };
                let of =
                    |object: &serde_json::Map<String, Value>| object.get(name).cloned().unwrap_or_default();
                compare(&inner, &of(old), &of(new), found);
            }
        }
        (old, new) if old != new => {
            found.push(Difference { field: field.to_owned(), from: old.clone(), to: new.clone() });
        }
        _ => {}
    }
}
