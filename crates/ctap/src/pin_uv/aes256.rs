//! AES-256-CBC without padding, which both protocols encrypt with.

use aes::{
    Aes256,
    cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, consts::U16},
};
use zeroize::Zeroizing;

use super::PinUvError;

pub(super) const BLOCK: usize = 16;

pub(super) fn encrypt(
    key: &[u8; 32],
    iv: &[u8; BLOCK],
    plaintext: &[u8],
) -> Result<Vec<u8>, PinUvError> {
    let mut cipher = cbc::Encryptor::<Aes256>::new(&(*key).into(), &(*iv).into());
    let mut ciphertext = whole_blocks(plaintext)?.to_vec();
    for block in blocks(&mut ciphertext) {
        cipher.encrypt_block(block);
    }
    Ok(ciphertext)
}

pub(super) fn decrypt(
    key: &[u8; 32],
    iv: &[u8; BLOCK],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PinUvError> {
    let mut cipher = cbc::Decryptor::<Aes256>::new(&(*key).into(), &(*iv).into());
    let mut plaintext = Zeroizing::new(whole_blocks(ciphertext)?.to_vec());
    for block in blocks(&mut plaintext) {
        cipher.decrypt_block(block);
    }
    Ok(plaintext)
}

fn whole_blocks(bytes: &[u8]) -> Result<&[u8], PinUvError> {
    if bytes.len().is_multiple_of(BLOCK) {
        Ok(bytes)
    } else {
        Err(PinUvError::Length {
            what: "a text that is not whole AES blocks,",
            length: bytes.len(),
        })
    }
}

fn blocks(bytes: &mut [u8]) -> impl Iterator<Item = &mut Array<u8, U16>> {
    bytes
        .chunks_exact_mut(BLOCK)
        .filter_map(|chunk| chunk.try_into().ok())
}
