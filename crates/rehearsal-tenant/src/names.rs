//! Plausible people: the same index gives the same person in every run.

/// A person's names.
pub(crate) struct Person {
    /// As a directory shows it; not always ASCII, sometimes family name first.
    pub(crate) display_name: String,
    /// `given.family`, ASCII, unique per index.
    pub(crate) alias: String,
}

/// The person with this index.
pub(crate) fn person(index: usize) -> Person {
    let (given, given_ascii) = pick(GIVEN, index);
    let (family, family_ascii) = pick(FAMILY, index);
    // The lengths of the lists have no common divisor, so that all pairs come before one comes again.
    let round = index / (GIVEN.len() * FAMILY.len());
    let number = if round == 0 {
        String::new()
    } else {
        (round + 1).to_string()
    };
    let display_name = match index % 11 {
        7 => format!("{family}, {given}"),
        _ => format!("{given} {family}"),
    };
    Person {
        display_name,
        alias: format!("{given_ascii}.{family_ascii}{number}"),
    }
}

fn pick(list: &[(&'static str, &'static str)], index: usize) -> (&'static str, &'static str) {
    list.get(index % list.len()).copied().unwrap_or_default()
}

const GIVEN: &[(&str, &str)] = &[
    ("Ada", "ada"),
    ("Björn", "bjorn"),
    ("Chloé", "chloe"),
    ("Dmitri", "dmitri"),
    ("Elif", "elif"),
    ("Françoise", "francoise"),
    ("Grażyna", "grazyna"),
    ("Hồng", "hong"),
    ("Ingrid", "ingrid"),
    ("João", "joao"),
    ("Kwame", "kwame"),
    ("Łukasz", "lukasz"),
    ("Mélanie", "melanie"),
    ("Niamh", "niamh"),
    ("Østen", "osten"),
    ("Priya", "priya"),
    ("Quentin", "quentin"),
    ("Renée", "renee"),
    ("Søren", "soren"),
    ("Tomáš", "tomas"),
    ("Ursula", "ursula"),
    ("Víctor", "victor"),
    ("Wei", "wei"),
    ("Xóchitl", "xochitl"),
    ("Yusuf", "yusuf"),
    ("Zoë", "zoe"),
    ("Акіко", "akiko"),
    ("Ольга", "olga"),
    ("Γιώργος", "giorgos"),
    ("美咲", "misaki"),
    ("지훈", "jihoon"),
    ("نور", "nour"),
    ("דניאל", "daniel"),
    ("Anaïs", "anais"),
    ("Máté", "mate"),
    ("Jürgen", "jurgen"),
    ("Þóra", "thora"),
];

const FAMILY: &[(&str, &str)] = &[
    ("Lovelace", "lovelace"),
    ("Ångström", "angstrom"),
    ("Dupont-Lefèvre", "dupontlefevre"),
    ("O'Connor", "oconnor"),
    ("Yılmaz", "yilmaz"),
    ("Müller", "muller"),
    ("Wójcik", "wojcik"),
    ("Nguyễn", "nguyen"),
    ("Sørensen", "sorensen"),
    ("da Silva", "dasilva"),
    ("Mensah", "mensah"),
    ("Kowalski", "kowalski"),
    ("Brontë", "bronte"),
    ("Ó Briain", "obriain"),
    ("Løvås", "lovas"),
    ("Krishnamurthy", "krishnamurthy"),
    ("van der Berg", "vanderberg"),
    ("Peña", "pena"),
    ("Jørgensen", "jorgensen"),
    ("Dvořák", "dvorak"),
    ("Meyer-Lüdenscheidt", "meyerludenscheidt"),
    ("García Márquez", "garciamarquez"),
    ("Zhang", "zhang"),
    ("Hernández", "hernandez"),
    ("Öztürk", "ozturk"),
    ("Smith", "smith"),
    ("Tanaka", "tanaka"),
    ("Шевченко", "shevchenko"),
    ("Παπαδόπουλος", "papadopoulos"),
    ("佐藤", "sato"),
    ("김", "kim"),
    ("الحداد", "alhaddad"),
    ("כהן", "cohen"),
    ("Ştefănescu", "stefanescu"),
    ("Nagy", "nagy"),
    ("Weiß", "weiss"),
    ("Jónsdóttir", "jonsdottir"),
    ("Kaur", "kaur"),
    ("Okonkwo", "okonkwo"),
    ("D’Souza", "dsouza"),
    ("Horváth", "horvath"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn twenty_thousand_people_have_aliases_of_their_own() {
        let aliases: HashSet<String> = (0..20_000).map(|index| person(index).alias).collect();
        assert_eq!(aliases.len(), 20_000);
        assert!(aliases.iter().all(|alias| {
            alias
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.')
        }));
    }

    #[test]
    fn the_same_index_is_the_same_person() {
        assert_eq!(person(0).display_name, "Ada Lovelace");
        assert_eq!(person(7).display_name, "Nguyễn, Hồng");
        assert_eq!(person(GIVEN.len() * FAMILY.len()).alias, "ada.lovelace2");
    }
}
