//! Ed25519 keys that vouch for snapshots, and how trust passes from one key to the next.
//!
//! A control plane has at most two valid keys. Their list is numbered, and signed with every key of
//! the list and of the list before it: who trusts one key can follow to its successor, through any
//! number of relays, none of which can make up a list of its own.

use crate::invalid::Violation;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Most keys that are valid at a time.
pub const KEYS_MAX: usize = 2;

/// The name of a key: the first sixteen hexadecimal digits of its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct KeyId(String);

/// The public half of a key: 32 bytes, as text in base64.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String)]
pub struct PublicKey([u8; 32]);

/// A key that signs. Its secret half is never shown.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
    id: KeyId,
}

/// That the holder of a key vouches for something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    /// Which key.
    pub key_id: KeyId,
    /// The 64 bytes of the Ed25519 signature, in base64.
    pub value: String,
}

/// The keys of a control plane, as it tells them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyList {
    /// Counts the lists, from 1.
    pub serial: u64,
    /// The valid keys; the first one signs.
    pub keys: Vec<PublicKey>,
    /// By every key of this list, and of the one before.
    pub signatures: Vec<Signature>,
}

/// Why a list of keys is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyListRefusal {
    /// It has none, or too many.
    #[error("a list of keys has 1 to {KEYS_MAX} keys, this one has {0}")]
    Length(usize),
    /// No trusted key vouches for it.
    #[error(
        "no key that is trusted here has signed the list of keys; if the control plane lost its keys, name the new one with --trusted-key"
    )]
    NotVouchedFor,
    /// It is older than the one that is followed.
    #[error("the list of keys has the number {found}, {known} is known already")]
    Older {
        /// Its number.
        found: u64,
        /// The number of the list that is followed.
        known: u64,
    },
}

/// The keys that a node believes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedKeys {
    /// The number of the list that they are from; 0 when somebody named them.
    pub serial: u64,
    /// Keys that new snapshots may be signed with.
    pub valid: Vec<PublicKey>,
    /// Keys that were valid once: good for what was taken in then and lies on the node's own disk.
    pub former: Vec<PublicKey>,
}

impl KeyId {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for KeyId {
    type Err = Violation;
    fn from_str(text: &str) -> Result<Self, Violation> {
        if text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "the name of a key has 16 digits, each one of 0-9 and a-f";
        Err(Violation::new("id", text, rule, "see: tidegate key list"))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl PublicKey {
    /// Its name.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0);
        KeyId(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether this key's holder signed the text.
    pub(crate) fn has_signed(&self, text: &str, signature: &Signature) -> bool {
        let Ok(value) = STANDARD.decode(&signature.value) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&ED25519, self.0);
        signature.key_id == self.id() && key.verify(text.as_bytes(), &value).is_ok()
    }
}

impl std::str::FromStr for PublicKey {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text.trim()).ok();
        let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        key.map(Self).ok_or_else(|| {
            format!(
                "{text:?} is not a public key; one has 32 bytes in base64, as `tidegate key list` shows them"
            )
        })
    }
}

impl TryFrom<String> for PublicKey {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl SigningKey {
    /// The key that these 32 secret bytes make.
    ///
    /// # Errors
    /// When they make none.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, String> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|error| format!("the bytes make no Ed25519 key: {error}"))?;
        let public = <[u8; 32]>::try_from(pair.public_key().as_ref())
            .map(PublicKey)
            .map_err(|_| "an Ed25519 key has 32 bytes".to_owned())?;
        Ok(Self {
            pair,
            public,
            id: public.id(),
        })
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its name.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub(crate) fn sign(&self, text: &str) -> Signature {
        Signature {
            key_id: self.id.clone(),
            value: STANDARD.encode(self.pair.sign(text.as_bytes())),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl KeyList {
    /// A list of these keys, vouched for by them and by those that leave with it.
    pub fn sign(serial: u64, keys: &[&SigningKey], leaving: &[&SigningKey]) -> Self {
        let public: Vec<PublicKey> = keys.iter().map(|key| key.public).collect();
        let text = signed_text(serial, &public);
        let signatures = keys.iter().chain(leaving).map(|key| key.sign(&text)).collect();
        Self {
            serial,
            keys: public,
            signatures,
        }
    }

    /// The keys of a list that is the first one heard of: believed because of the channel that it
    /// came through.
    ///
    /// # Errors
    /// When its own keys do not vouch for it.
    pub fn at_first_contact(&self) -> Result<TrustedKeys, KeyListRefusal> {
        let mut trusted = TrustedKeys::named(self.keys.clone());
        trusted.follow(self)?;
        Ok(trusted)
    }
}

fn signed_text(serial: u64, keys: &[PublicKey]) -> String {
    let keys: String = keys.iter().map(|key| format!("key {key}\n")).collect();
    format!("tidegate keys 1\nserial {serial}\n{keys}")
}

impl TrustedKeys {
    /// Keys that somebody named.
    pub fn named(keys: Vec<PublicKey>) -> Self {
        Self {
            serial: 0,
            valid: keys,
            former: Vec::new(),
        }
    }

    /// All keys that may have signed what lies on this node's disk.
    pub fn of_kept(&self) -> Vec<PublicKey> {
        [self.valid.as_slice(), &self.former].concat()
    }

    /// Believes the list's keys from now on, and those before only for what is on disk. Says whether
    /// anything changed.
    ///
    /// # Errors
    /// When no valid key vouches for the list, or it is older than the one followed.
    pub fn follow(&mut self, list: &KeyList) -> Result<bool, KeyListRefusal> {
        if !(1..=KEYS_MAX).contains(&list.keys.len()) {
            return Err(KeyListRefusal::Length(list.keys.len()));
        }
        if list.serial < self.serial {
            return Err(KeyListRefusal::Older {
                found: list.serial,
                known: self.serial,
            });
        }
        let text = signed_text(list.serial, &list.keys);
        let vouched = |key: &PublicKey| list.signatures.iter().any(|one| key.has_signed(&text, one));
        if !self.valid.iter().any(vouched) {
            return Err(KeyListRefusal::NotVouchedFor);
        }
        if (list.serial, &list.keys) == (self.serial, &self.valid) {
            return Ok(false);
        }
        let gone = self.of_kept();
        let gone = gone.into_iter().filter(|key| !list.keys.contains(key));
        *self = Self {
            serial: list.serial,
            former: gone.collect(),
            valid: list.keys.clone(),
        };
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32]).unwrap()
    }

    #[test]
    fn trust_passes_from_key_to_key() {
        let (a, b, c) = (key(1), key(2), key(3));
        let first = KeyList::sign(1, &[&a], &[]);
        let both = KeyList::sign(2, &[&b, &a], &[]);
        let second = KeyList::sign(3, &[&b], &[&a]);
        let mut along = first.at_first_contact().unwrap();
        assert_eq!((along.serial, along.valid.clone()), (1, vec![a.public]));
        assert_eq!(along.follow(&first), Ok(false));
        assert_eq!(along.follow(&both), Ok(true));
        assert_eq!(along.valid, [b.public, a.public]);
        assert_eq!(along.follow(&second), Ok(true));
        assert_eq!(
            (along.valid.clone(), along.former.clone()),
            (vec![b.public], vec![a.public])
        );
        assert_eq!(
            along.follow(&both),
            Err(KeyListRefusal::Older { found: 2, known: 3 })
        );
        // One that was away during the rotation.
        let mut late = TrustedKeys::named(vec![a.public]);
        assert_eq!(late.follow(&second), Ok(true));
        assert_eq!(late, along);
        // What the retired key says from now on counts for nothing.
        let stolen = KeyList::sign(4, &[&c], &[&a]);
        assert_eq!(along.follow(&stolen), Err(KeyListRefusal::NotVouchedFor));
    }

    #[test]
    fn f64_a_list_that_was_touched_is_not_followed() {
        let (a, b, c) = (key(1), key(2), key(3));
        let good = KeyList::sign(2, &[&b, &a], &[]);
        let mut numbered = good.clone();
        numbered.serial = 9;
        let mut swapped = good.clone();
        swapped.keys = vec![*c.public(), *a.public()];
        let mut unsigned = good.clone();
        unsigned.signatures.clear();
        let strangers = KeyList::sign(2, &[&b, &c], &[]);
        for (what, list) in [
            ("another number", numbered),
            ("another key", swapped),
            ("no signature", unsigned),
            ("by strangers", strangers),
        ] {
            let mut trusted = TrustedKeys::named(vec![a.public]);
            assert_eq!(
                trusted.follow(&list),
                Err(KeyListRefusal::NotVouchedFor),
                "{what}"
            );
            assert_eq!(trusted, TrustedKeys::named(vec![a.public]), "{what}");
        }
        let none = KeyList::sign(2, &[], &[&a]);
        let mut trusted = TrustedKeys::named(vec![a.public]);
        assert_eq!(trusted.follow(&none), Err(KeyListRefusal::Length(0)));
    }

    #[test]
    fn keys_are_texts() {
        let public = *key(1).public();
        let text = serde_json::to_string(&public).unwrap();
        assert_eq!(serde_json::from_str::<PublicKey>(&text).unwrap(), public);
        assert_eq!(public.id().as_str().len(), 16);
        for bad in ["\"\"", "\"AAAA\"", "\"!\"", "7"] {
            assert!(serde_json::from_str::<PublicKey>(bad).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", key(1)).contains("seed"));
    }
}
