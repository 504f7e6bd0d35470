//! An opened credential: named secrets, as the vault unsealed them. Must not be printed or stored.

use std::collections::BTreeMap;

use crate::base::Secret;

/// What a network needs to act for an account.
#[derive(Default, Debug)]
pub struct Credential {
    fields: BTreeMap<String, Secret<String>>,
}

impl Credential {
    pub fn new(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value)));
        Self { fields: fields.collect() }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|secret| secret.reveal().as_str())
    }

    /// Every secret value, for scrubbing what a network says.
    pub fn secrets(&self) -> Vec<&str> {
        self.fields.values().map(|secret| secret.reveal().as_str()).collect()
    }

    /// The form that is sealed.
    pub fn to_bytes(&self) -> Secret<Vec<u8>> {
        let plain: BTreeMap<&str, &str> =
            self.fields.iter().map(|(k, v)| (k.as_str(), v.reveal().as_str())).collect();
        // A map of strings always has a JSON form.
        Secret::new(serde_json::to_vec(&plain).unwrap_or_default())
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let plain: BTreeMap<String, String> = serde_json::from_slice(bytes).ok()?;
        Some(Self { fields: plain.into_iter().map(|(k, v)| (k, Secret::new(v))).collect() })
    }
}
