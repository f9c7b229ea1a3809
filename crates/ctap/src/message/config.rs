//! CTAP 2.2 §6.11 `authenticatorConfig` (0x0D). It answers with a status alone.

use ciborium::Value;

use super::{
    CborMessage, Command, DecodeError,
    map::{Bytes, MapWriter, Members},
};

/// The parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// 0x01 and 0x02
    pub sub_command: SubCommand,
    /// 0x03
    pub pin_uv_auth_protocol: Option<u64>,
    /// 0x04: proof of user verification over [`authenticated_message`](Self::authenticated_message).
    pub pin_uv_auth_param: Option<Vec<u8>>,
}

/// The subcommands with their parameters.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SubCommand {
    /// 0x01 `enableEnterpriseAttestation` (§6.11.1)
    EnableEnterpriseAttestation,
    /// 0x02 `toggleAlwaysUv` (§6.11.2)
    ToggleAlwaysUv,
    /// 0x03 `setMinPINLength` (§6.11.4)
    SetMinPinLength(SetMinPinLength),
    /// 0xFF `vendorPrototype` (§6.11.3)
    VendorPrototype(Option<Value>),
}

/// The parameters of `setMinPINLength`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SetMinPinLength {
    /// 0x01: in code points. It can only grow.
    pub new_min_pin_length: Option<u8>,
    /// 0x02: relying parties that may learn the minimum through the `minPinLength` extension.
    pub min_pin_length_rp_ids: Vec<String>,
    /// 0x03: no user verification before the PIN has been changed.
    pub force_change_pin: Option<bool>,
    /// 0x04: switches the key's PIN complexity policy on.
    pub pin_complexity_policy: Option<bool>,
}

impl Request {
    /// A request without user verification yet.
    pub fn new(sub_command: SubCommand) -> Self {
        Self {
            sub_command,
            pin_uv_auth_protocol: None,
            pin_uv_auth_param: None,
        }
    }

    /// What `pinUvAuthParam` authenticates: `32×0xff || 0x0d || uint8(subCommand) || subCommandParams` (§6.11 step 4).
    pub fn authenticated_message(&self) -> Vec<u8> {
        let mut message = vec![0xFF; 32];
        message.push(Command::Config.code());
        message.extend(super::with_first_byte(
            self.sub_command.code(),
            self.sub_command.params().as_ref(),
        ));
        message
    }
}

impl SubCommand {
    /// Its number.
    pub fn code(&self) -> u8 {
        match self {
            Self::EnableEnterpriseAttestation => 0x01,
            Self::ToggleAlwaysUv => 0x02,
            Self::SetMinPinLength(_) => 0x03,
            Self::VendorPrototype(_) => 0xFF,
        }
    }

    fn params(&self) -> Option<Value> {
        match self {
            Self::EnableEnterpriseAttestation | Self::ToggleAlwaysUv => None,
            Self::SetMinPinLength(params) => Some(params.to_value()),
            Self::VendorPrototype(params) => params.clone(),
        }
    }
}

impl SetMinPinLength {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .maybe(0x01, self.new_min_pin_length)
            .list(0x02, &self.min_pin_length_rp_ids, |rp_id| {
                rp_id.as_str().into()
            })
            .maybe(0x03, self.force_change_pin)
            .maybe(0x04, self.pin_complexity_policy)
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "subCommandParams")?;
        Ok(Self {
            new_min_pin_length: members.optional(0x01, "newMinPINLength")?,
            min_pin_length_rp_ids: members.list(0x02, "minPinLengthRPIDs")?,
            force_change_pin: members.optional(0x03, "forceChangePin")?,
            pin_complexity_policy: members.optional(0x04, "pinComplexityPolicy")?,
        })
    }
}

impl CborMessage for Request {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .put(0x01, self.sub_command.code())
            .maybe(0x02, self.sub_command.params())
            .maybe(0x03, self.pin_uv_auth_protocol)
            .maybe(0x04, self.pin_uv_auth_param.clone().map(Value::Bytes))
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the parameters")?;
        let params = members.get(0x02);
        let sub_command = match members.required(0x01, "subCommand")? {
            0x01 => SubCommand::EnableEnterpriseAttestation,
            0x02 => SubCommand::ToggleAlwaysUv,
            0x03 => SubCommand::SetMinPinLength(
                params
                    .map(SetMinPinLength::from_value)
                    .transpose()?
                    .unwrap_or_default(),
            ),
            0xFF => SubCommand::VendorPrototype(params.cloned()),
            code => {
                return Err(DecodeError::UnknownSubCommand {
                    what: "authenticatorConfig",
                    code,
                });
            }
        };
        Ok(Self {
            sub_command,
            pin_uv_auth_protocol: members.optional(0x03, "pinUvAuthProtocol")?,
            pin_uv_auth_param: members
                .optional::<Bytes>(0x04, "pinUvAuthParam")?
                .map(|bytes| bytes.0),
        })
    }
}
