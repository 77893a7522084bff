//! Rules: what every correct implementation keeps to, in words that a student can learn from.

use verdict::Finding;

pub use verdict::Strength;

/// Something that every correct peer, store, or group of them keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Name, as in `R13`.
    pub id: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// How hard it is.
    pub strength: Strength,
    /// Which kind of check found it: `relation` (one transition), `invariant` (the whole group, over time), `history` (what
    /// clients saw), `liveness` or `budget` (the simulated world).
    pub layer: &'static str,
    /// Section of the Raft paper, the thesis or the handout.
    pub section: &'static str,
    /// What is promised.
    pub promised: &'static str,
    /// What goes wrong without it.
    pub why: &'static str,
}

/// A broken rule.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which.
    pub rule: &'static Rule,
    /// Peer or store at fault; 0 if none alone.
    pub node: u64,
    /// What was seen, in words.
    pub seen: String,
}

impl Violation {
    /// For the report.
    pub fn to_finding(&self) -> Finding {
        let Rule { id, title, strength, layer, section, promised, why } = *self.rule;
        Finding {
            rule: id.to_owned(),
            title: title.to_owned(),
            strength,
            layer: layer.to_owned(),
            section: section.to_owned(),
            promised: promised.to_owned(),
            seen: self.seen.clone(),
            why: why.to_owned(),
            node: self.node,
        }
    }
}

/// Declares rules, and `RULES`, the list of them. The book reads the same lines.
#[macro_export]
macro_rules! rules {
    ($($name:ident $id:literal $strength:ident $layer:literal $section:literal $title:literal
        promised $promised:literal
        why $why:literal)*) => {
        $(
            #[doc = $title]
            pub const $name: $crate::rule::Rule = $crate::rule::Rule {
                id: $id,
                title: $title,
                strength: $crate::rule::Strength::$strength,
                layer: $layer,
                section: $section,
                promised: $promised,
                why: $why,
            };
        )*

        /// All rules, in the order of their declaration.
        pub const RULES: &[&$crate::rule::Rule] = &[$(&$name),*];
    };
}
