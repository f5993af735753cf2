//! Words and what they stand for.

/// What a word or phrase does in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Pick,
    Place,
    Stack,
    Unstack,
    Push,
    Pull,
    Open,
    Close,
    Pour,
    Handover,
    Regrasp,
    Wipe,
    Press,
    Home,
}

/// Verbs with their words; longer phrases are listed first within a verb and are tried before shorter ones of all verbs.
pub(super) const VERBS: &[(&str, Verb)] = &[
    ("change your grip on", Verb::Regrasp),
    ("change the grip on", Verb::Regrasp),
    ("change grip on", Verb::Regrasp),
    ("get a new grip on", Verb::Regrasp),
    ("get a better grip on", Verb::Regrasp),
    ("adjust your grip on", Verb::Regrasp),
    ("take hold of", Verb::Pick),
    ("get hold of", Verb::Pick),
    ("go back home", Verb::Home),
    ("go home", Verb::Home),
    ("return home", Verb::Home),
    ("go to rest", Verb::Home),
    ("move home", Verb::Home),
    ("come home", Verb::Home),
    ("back home", Verb::Home),
    ("home position", Verb::Home),
    ("rest position", Verb::Home),
    ("resting position", Verb::Home),
    ("starting position", Verb::Home),
    ("start position", Verb::Home),
    ("resting pose", Verb::Home),
    ("rest pose", Verb::Home),
    ("home pose", Verb::Home),
    ("take a rest", Verb::Home),
    ("pull open", Verb::Open),
    ("slide open", Verb::Open),
    ("slide out", Verb::Open),
    ("pull out", Verb::Open),
    ("push shut", Verb::Close),
    ("push in", Verb::Close),
    ("slide shut", Verb::Close),
    ("push down on", Verb::Press),
    ("push down", Verb::Press),
    ("press down on", Verb::Press),
    ("hand over", Verb::Handover),
    ("pass over", Verb::Handover),
    ("pick up", Verb::Pick),
    ("lift up", Verb::Pick),
    ("put down", Verb::Place),
    ("set down", Verb::Place),
    ("pile up", Verb::Stack),
    ("wipe down", Verb::Wipe),
    ("regrasp", Verb::Regrasp),
    ("regrip", Verb::Regrasp),
    ("pick", Verb::Pick),
    ("grab", Verb::Pick),
    ("grasp", Verb::Pick),
    ("lift", Verb::Pick),
    ("take", Verb::Pick),
    ("fetch", Verb::Pick),
    ("get", Verb::Pick),
    ("collect", Verb::Pick),
    ("raise", Verb::Pick),
    ("seize", Verb::Pick),
    ("hold", Verb::Pick),
    ("grip", Verb::Pick),
    ("put", Verb::Place),
    ("place", Verb::Place),
    ("set", Verb::Place),
    ("lay", Verb::Place),
    ("move", Verb::Place),
    ("drop", Verb::Place),
    ("deposit", Verb::Place),
    ("bring", Verb::Place),
    ("transfer", Verb::Place),
    ("position", Verb::Place),
    ("stick", Verb::Place),
    ("leave", Verb::Place),
    ("carry", Verb::Place),
    ("relocate", Verb::Place),
    ("store", Verb::Place),
    ("stow", Verb::Place),
    ("toss", Verb::Place),
    ("rest", Verb::Place),
    ("stack", Verb::Stack),
    ("pile", Verb::Stack),
    ("unstack", Verb::Unstack),
    ("unpile", Verb::Unstack),
    ("remove", Verb::Unstack),
    ("push", Verb::Push),
    ("shove", Verb::Push),
    ("nudge", Verb::Push),
    ("slide", Verb::Push),
    ("pull", Verb::Pull),
    ("drag", Verb::Pull),
    ("tug", Verb::Pull),
    ("draw", Verb::Pull),
    ("open", Verb::Open),
    ("uncover", Verb::Open),
    ("close", Verb::Close),
    ("shut", Verb::Close),
    ("cover", Verb::Close),
    ("pour", Verb::Pour),
    ("empty", Verb::Pour),
    ("tip", Verb::Pour),
    ("dump", Verb::Pour),
    ("decant", Verb::Pour),
    ("hand", Verb::Handover),
    ("give", Verb::Handover),
    ("pass", Verb::Handover),
    ("wipe", Verb::Wipe),
    ("clean", Verb::Wipe),
    ("dust", Verb::Wipe),
    ("scrub", Verb::Wipe),
    ("polish", Verb::Wipe),
    ("press", Verb::Press),
    ("hit", Verb::Press),
    ("tap", Verb::Press),
    ("home", Verb::Home),
    ("park", Verb::Home),
];

/// How a noun phrase relates to the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    On,
    In,
    Left,
    Right,
    Front,
    Behind,
    /// Beside, without a side.
    Beside,
    /// Where something comes from.
    From,
    /// Where something goes.
    To,
}

/// Prepositions; longer ones first.
pub(super) const LINKS: &[(&str, Link)] = &[
    ("on the left hand side of", Link::Left),
    ("on the right hand side of", Link::Right),
    ("on the left side of", Link::Left),
    ("on the right side of", Link::Right),
    ("to the left side of", Link::Left),
    ("to the right side of", Link::Right),
    ("on the far side of", Link::Behind),
    ("on the near side of", Link::Front),
    ("to the left of", Link::Left),
    ("to the right of", Link::Right),
    ("on the left of", Link::Left),
    ("on the right of", Link::Right),
    ("at the left of", Link::Left),
    ("at the right of", Link::Right),
    ("in the front of", Link::Front),
    ("at the back of", Link::Behind),
    ("in back of", Link::Behind),
    ("on top of", Link::On),
    ("atop of", Link::On),
    ("on to", Link::On),
    ("in front of", Link::Front),
    ("out of", Link::From),
    ("off of", Link::From),
    ("away from", Link::From),
    ("left of", Link::Left),
    ("right of", Link::Right),
    ("next to", Link::Beside),
    ("close to", Link::Beside),
    ("inside of", Link::In),
    ("in to", Link::In),
    ("over to", Link::To),
    ("onto", Link::On),
    ("upon", Link::On),
    ("atop", Link::On),
    ("into", Link::In),
    ("inside", Link::In),
    ("within", Link::In),
    ("behind", Link::Behind),
    ("beside", Link::Beside),
    ("near", Link::Beside),
    ("by", Link::Beside),
    ("from", Link::From),
    ("off", Link::From),
    ("towards", Link::To),
    ("toward", Link::To),
    ("to", Link::To),
    ("on", Link::On),
    ("over", Link::On),
    ("in", Link::In),
];

/// Words for the same kind of thing; the first is the one scenes use most.
pub(super) const NOUNS: &[&[&str]] = &[
    &["block", "cube", "brick", "box"],
    &["mug", "cup", "beaker", "glass", "tumbler"],
    &["can", "tin", "cylinder"],
    &["bowl", "dish"],
    &["ball", "sphere", "marble", "orb"],
    &["bin", "basket", "container", "crate", "bucket", "box", "tub"],
    &["tray", "pan"],
    &["shelf", "rack", "ledge", "shelves"],
    &["drawer", "cabinet"],
    &["lid", "cover", "cap"],
    &["button", "switch", "knob"],
    &["mat", "pad", "coaster", "target", "marker", "spot", "placemat"],
    &["bar", "stick", "rod", "beam"],
    &["book", "novel"],
    &["sponge", "cloth"],
    &["bead", "beads", "pellets"],
    &["plate", "board", "panel"],
    &["bottle", "flask"],
    &["parcel", "package", "carton", "box"],
    &["jar", "pot"],
];

/// Words for colours; the first is the scene's.
pub(super) const COLOURS: &[&[&str]] = &[
    &["red", "crimson", "scarlet", "ruby"],
    &["orange", "tangerine"],
    &["yellow", "golden", "lemon"],
    &["green", "emerald", "lime"],
    &["teal", "turquoise", "cyan"],
    &["blue", "navy", "azure"],
    &["purple", "violet", "lilac"],
    &["pink", "rose"],
    &["white", "ivory"],
    &["grey", "gray", "silver"],
    &["brown", "tan", "wooden"],
    &["black", "dark"],
];

/// Words for size: -1 the smallest of those that fit, +1 the largest.
pub(super) const SIZES: &[(&str, i32)] = &[
    ("small", -1),
    ("smaller", -1),
    ("smallest", -1),
    ("little", -1),
    ("tiny", -1),
    ("big", 1),
    ("bigger", 1),
    ("biggest", 1),
    ("large", 1),
    ("larger", 1),
    ("largest", 1),
];

/// Words that carry nothing a skill needs.
pub(super) const FILLERS: &[&str] = &[
    "please",
    "could",
    "can",
    "would",
    "will",
    "you",
    "now",
    "then",
    "next",
    "first",
    "carefully",
    "gently",
    "slowly",
    "quickly",
    "just",
    "kindly",
    "hey",
    "i",
    "want",
    "need",
    "like",
    "d",
    "so",
    "ok",
    "okay",
    "let",
    "lets",
    "s",
    "us",
    "should",
    "go",
    "ahead",
    "and",
    "up",
    "down",
    "that",
    "this",
    "there",
    "of",
    "for",
    "is",
    "be",
    "try",
    "must",
    "some",
    "all",
    "your",
    "my",
    "with",
    "we",
    "again",
    "back",
    "away",
    "side",
    "bit",
    "one",
    "which",
    "sits",
    "lying",
    "standing",
    "sitting",
    "stands",
    "lies",
    "placed",
    "resting",
    "located",
    "currently",
    "robot",
    "make",
    "sure",
    "have",
    "safely",
    "straight",
    "over",
    "out",
    "open",
    "shut",
    "closed",
    "onto",
    "top",
    "new",
    "content",
    "contents",
    "inside",
    "everything",
    "grip",
    "hold",
    "position",
    "pose",
    "arm",
    "fingers",
    "gripper",
    "ll",
    "re",
    "time",
    "other",
    "return",
    "come",
    "yourself",
    "towards",
    "till",
    "until",
    "while",
    "being",
    "careful",
    "thing",
    "thanks",
    "thank",
    "whole",
    "surface",
    "at",
    "free",
    "empty",
    "hand",
    "its",
    "goes",
    "get",
    "off",
    "a",
    "an",
    "the",
];

/// Adjectives that hold for anything: they help nobody to find a thing and hurt nobody.
pub(super) const NEUTRAL: &[&str] = &[
    "plastic", "wooden", "metal", "ceramic", "shiny", "nice", "round", "square", "long", "short", "tall", "flat",
    "heavy", "light", "single", "solid", "plain", "rubber", "paper", "clean", "full", "coloured", "colored", "empty",
    "open", "closed",
];

/// Words that point at what was talked about.
pub(super) const PRONOUNS: &[&str] = &["it", "them", "this", "that"];
/// Articles.
pub(super) const ARTICLES: &[&str] = &["the", "a", "an", "this", "that", "some", "my", "your"];

/// Damerau-Levenshtein distance (adjacent letters may be swapped), up to a limit.
pub(super) fn edits(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut rows = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// Is a word a misspelling of another one? One edit for up to seven letters, two for longer ones; the first letter is right, and
/// words of three letters or fewer are never corrected: too many of them are other words.
pub(super) fn is_misspelt(word: &str, of: &str) -> bool {
    let letters = word.chars().count().max(of.chars().count());
    let limit = if letters <= 7 { 1 } else { 2 };
    word.chars().count() >= 4
        && of.chars().count() >= 4
        && word.chars().next() == of.chars().next()
        && edits(word, of, limit) <= limit
}

/// Every word that means something to a sentence, nouns and colours first: what a misspelt word is corrected to.
pub(super) fn vocabulary(nouns: &[String]) -> Vec<&str> {
    let mut words: Vec<&str> = nouns.iter().map(String::as_str).collect();
    words.extend(COLOURS.iter().flat_map(|g| g.iter().copied()));
    words.extend(SIZES.iter().map(|(w, _)| *w));
    words.extend(VERBS.iter().flat_map(|(v, _)| v.split(' ')));
    words.extend(LINKS.iter().flat_map(|(l, _)| l.split(' ')));
    words.extend(FILLERS.iter().chain(NEUTRAL).chain(PRONOUNS).chain(ARTICLES).chain(WAYS).copied());
    words
}

/// Words for directions.
pub(super) const WAYS: &[&str] = &[
    "left",
    "leftwards",
    "leftward",
    "right",
    "rightwards",
    "rightward",
    "back",
    "away",
    "forward",
    "forwards",
    "backwards",
    "rear",
    "front",
    "closer",
    "nearer",
    "here",
    "me",
    "you",
    "yourself",
    "robot",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_a_miss_and_an_extra_letter_are_one_edit_each() {
        for (a, b) in
            [("sheif", "shelf"), ("drawre", "drawer"), ("closre", "closer"), ("bowll", "bowl"), ("yelow", "yellow")]
        {
            assert_eq!(edits(a, b, 2), 1, "{a} {b}");
            assert!(is_misspelt(a, b));
        }
        assert!(!is_misspelt("mat", "mug") && !is_misspelt("zebra", "block") && !is_misspelt("bin", "bid"));
    }
}
