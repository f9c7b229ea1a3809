//! CTAP 2.2 §6.8 `authenticatorCredentialManagement` (0x0A), and its prototype 0x41, which is encoded alike.

use ciborium::Value;

use super::{
    CborMessage, CredentialDescriptor, DecodeError, UserEntity,
    map::{Bytes, FromCbor, MapWriter, Members},
};

/// The parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// 0x01
    pub sub_command: SubCommand,
    /// 0x02
    pub params: Option<Params>,
    /// 0x03
    pub pin_uv_auth_protocol: Option<u64>,
    /// 0x04: proof of user verification over [`authenticated_message`](Self::authenticated_message).
    pub pin_uv_auth_param: Option<Vec<u8>>,
}

/// The subcommands (§6.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubCommand {
    /// 0x01 `getCredsMetadata`
    GetCredsMetadata,
    /// 0x02 `enumerateRPsBegin`
    EnumerateRpsBegin,
    /// 0x03 `enumerateRPsGetNextRP`
    EnumerateRpsGetNextRp,
    /// 0x04 `enumerateCredentialsBegin`
    EnumerateCredentialsBegin,
    /// 0x05 `enumerateCredentialsGetNextCredential`
    EnumerateCredentialsGetNextCredential,
    /// 0x06 `deleteCredential`
    DeleteCredential,
    /// 0x07 `updateUserInformation`
    UpdateUserInformation,
}

/// `subCommandParams`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Params {
    /// 0x01: SHA-256 of the relying party identifier.
    pub rp_id_hash: Option<[u8; 32]>,
    /// 0x02
    pub credential_id: Option<CredentialDescriptor>,
    /// 0x03
    pub user: Option<UserEntity>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Response {
    /// 0x01: discoverable credentials on the key.
    pub existing_resident_credentials_count: Option<u32>,
    /// 0x02: how many more would fit, at most.
    pub max_possible_remaining_resident_credentials_count: Option<u32>,
    /// 0x03: a relying party. Its name is often missing, and so is a long identifier's beginning.
    pub rp: Option<PartialRpEntity>,
    /// 0x04: SHA-256 of its identifier.
    pub rp_id_hash: Option<[u8; 32]>,
    /// 0x05: only in the first answer.
    pub total_rps: Option<u32>,
    /// 0x06
    pub user: Option<UserEntity>,
    /// 0x07
    pub credential_id: Option<CredentialDescriptor>,
    /// 0x08: COSE_Key.
    pub public_key: Option<Value>,
    /// 0x09: only in the first answer.
    pub total_credentials: Option<u32>,
    /// 0x0A
    pub cred_protect: Option<u8>,
    /// 0x0B
    pub large_blob_key: Option<Vec<u8>>,
    /// 0x0C
    pub third_party_payment: Option<bool>,
}

/// What a key remembers of a relying party: §6.8.3 wants at least the identifier, §6.8.7 allows cutting it short.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialRpEntity {
    /// The relying party identifier.
    pub id: Option<String>,
    /// Its name.
    pub name: Option<String>,
}

impl Request {
    /// A request of which only the subcommand is set yet.
    pub fn new(sub_command: SubCommand) -> Self {
        Self {
            sub_command,
            params: None,
            pin_uv_auth_protocol: None,
            pin_uv_auth_param: None,
        }
    }

    /// What `pinUvAuthParam` authenticates: `uint8(subCommand) || subCommandParams` (§6.8.2 and following).
    pub fn authenticated_message(&self) -> Vec<u8> {
        super::with_first_byte(
            self.sub_command.byte(),
            self.params.as_ref().map(Params::to_value).as_ref(),
        )
    }
}

impl CborMessage for Request {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .put(0x01, self.sub_command.byte())
            .maybe(0x02, self.params.as_ref().map(Params::to_value))
            .maybe(0x03, self.pin_uv_auth_protocol)
            .maybe(0x04, self.pin_uv_auth_param.clone().map(Value::Bytes))
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the parameters")?;
        let code = members.required(0x01, "subCommand")?;
        Ok(Self {
            sub_command: SubCommand::from_code(code).ok_or(DecodeError::UnknownSubCommand {
                what: "credentialManagement",
                code,
            })?,
            params: members.optional(0x02, "subCommandParams")?,
            pin_uv_auth_protocol: members.optional(0x03, "pinUvAuthProtocol")?,
            pin_uv_auth_param: members
                .optional::<Bytes>(0x04, "pinUvAuthParam")?
                .map(|bytes| bytes.0),
        })
    }
}

impl SubCommand {
    const ALL: [Self; 7] = [
        Self::GetCredsMetadata,
        Self::EnumerateRpsBegin,
        Self::EnumerateRpsGetNextRp,
        Self::EnumerateCredentialsBegin,
        Self::EnumerateCredentialsGetNextCredential,
        Self::DeleteCredential,
        Self::UpdateUserInformation,
    ];

    /// Its number.
    pub fn code(self) -> u64 {
        self.byte().into()
    }

    fn byte(self) -> u8 {
        match self {
            Self::GetCredsMetadata => 0x01,
            Self::EnumerateRpsBegin => 0x02,
            Self::EnumerateRpsGetNextRp => 0x03,
            Self::EnumerateCredentialsBegin => 0x04,
            Self::EnumerateCredentialsGetNextCredential => 0x05,
            Self::DeleteCredential => 0x06,
            Self::UpdateUserInformation => 0x07,
        }
    }

    fn from_code(code: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|sub_command| sub_command.code() == code)
    }
}

impl Params {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .maybe(
                0x01,
                self.rp_id_hash.map(|hash| Value::Bytes(hash.to_vec())),
            )
            .maybe(
                0x02,
                self.credential_id
                    .as_ref()
                    .map(CredentialDescriptor::to_value),
            )
            .maybe(0x03, self.user.as_ref().map(UserEntity::to_value))
            .finish()
    }
}

impl FromCbor for Params {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        Ok(Self {
            rp_id_hash: members.optional(0x01, "rpIDHash")?,
            credential_id: members.optional(0x02, "credentialID")?,
            user: members.optional(0x03, "user")?,
        })
    }
}

impl FromCbor for PartialRpEntity {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        let members = Members::of(value, member)?;
        Ok(Self {
            id: members.optional("id", "rp.id")?,
            name: members.optional("name", "rp.name")?,
        })
    }
}

impl PartialRpEntity {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .maybe("id", self.id.as_deref())
            .maybe("name", self.name.as_deref())
            .finish()
    }
}

impl CborMessage for Response {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .maybe(0x01, self.existing_resident_credentials_count)
            .maybe(0x02, self.max_possible_remaining_resident_credentials_count)
            .maybe(0x03, self.rp.as_ref().map(PartialRpEntity::to_value))
            .maybe(
                0x04,
                self.rp_id_hash.map(|hash| Value::Bytes(hash.to_vec())),
            )
            .maybe(0x05, self.total_rps)
            .maybe(0x06, self.user.as_ref().map(UserEntity::to_value))
            .maybe(
                0x07,
                self.credential_id
                    .as_ref()
                    .map(CredentialDescriptor::to_value),
            )
            .maybe(0x08, self.public_key.clone())
            .maybe(0x09, self.total_credentials)
            .maybe(0x0A, self.cred_protect)
            .maybe(0x0B, self.large_blob_key.clone().map(Value::Bytes))
            .maybe(0x0C, self.third_party_payment)
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the answer")?;
        Ok(Self {
            existing_resident_credentials_count: members
                .optional(0x01, "existingResidentCredentialsCount")?,
            max_possible_remaining_resident_credentials_count: members
                .optional(0x02, "maxPossibleRemainingResidentCredentialsCount")?,
            rp: members.optional(0x03, "rp")?,
            rp_id_hash: members.optional(0x04, "rpIDHash")?,
            total_rps: members.optional(0x05, "totalRPs")?,
            user: members.optional(0x06, "user")?,
            credential_id: members.optional(0x07, "credentialID")?,
            public_key: members.optional(0x08, "publicKey")?,
            total_credentials: members.optional(0x09, "totalCredentials")?,
            cred_protect: members.optional(0x0A, "credProtect")?,
            large_blob_key: members
                .optional::<Bytes>(0x0B, "largeBlobKey")?
                .map(|bytes| bytes.0),
            third_party_payment: members.optional(0x0C, "thirdPartyPayment")?,
        })
    }
}
