//! The channels of a replay: topic, schema name and JSON schema of each.

/// One kind of message in a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    Session,
    Command,
    Pose,
    Recall,
    Check,
    Tokens,
    View,
    Depth,
    Narration,
    Report,
    Motion,
    Imagined,
    World,
    End,
    Step,
}

impl Channel {
    /// All channels, in the order of their messages in a record.
    pub(super) const ALL: [Self; 15] = [
        Self::Session,
        Self::Command,
        Self::Pose,
        Self::Recall,
        Self::Check,
        Self::Tokens,
        Self::View,
        Self::Depth,
        Self::Narration,
        Self::Report,
        Self::Motion,
        Self::Imagined,
        Self::World,
        Self::End,
        Self::Step,
    ];

    /// Is it only in recordings of plans?
    pub(super) const fn is_of_plans(self) -> bool {
        matches!(self, Self::Report | Self::Motion | Self::Imagined | Self::World | Self::End)
    }

    pub(super) const fn topic(self) -> &'static str {
        match self {
            Self::Session => "/session",
            Self::Command => "/command",
            Self::Pose => "/pose",
            Self::Recall => "/recall",
            Self::Check => "/check",
            Self::Tokens => "/tokens",
            Self::View => "/view",
            Self::Depth => "/depth",
            Self::Narration => "/narration",
            Self::Report => "/report",
            Self::Motion => "/motion",
            Self::Imagined => "/imagined",
            Self::World => "/world",
            Self::End => "/end",
            Self::Step => "/step",
        }
    }

    pub(super) fn of_topic(topic: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.topic() == topic)
    }

    pub(super) const fn schema_name(self) -> &'static str {
        match self {
            Self::Session => "rhea.Session",
            Self::Command => "rhea.Command",
            Self::Pose => "rhea.Pose",
            Self::Recall => "rhea.Recall",
            Self::Check => "rhea.Check",
            Self::Tokens => "rhea.Tokens",
            Self::View | Self::Depth | Self::Imagined => "foxglove.CompressedImage",
            Self::Narration => "rhea.Narration",
            Self::Report => "rhea.Report",
            Self::Motion => "rhea.Motion",
            Self::World => "rhea.World",
            Self::End => "rhea.End",
            Self::Step => "rhea.Step",
        }
    }

    /// The JSON schema of the channel's messages.
    pub(super) const fn schema(self) -> &'static str {
        match self {
            Self::Session => SESSION,
            Self::Command => COMMAND,
            Self::Pose => POSE,
            Self::Recall => RECALL,
            Self::Check => CHECK,
            Self::Tokens => TOKENS,
            Self::View | Self::Depth | Self::Imagined => COMPRESSED_IMAGE,
            Self::Narration => NARRATION,
            Self::Report => REPORT,
            Self::Motion => MOTION,
            Self::World => WORLD,
            Self::End => END,
            Self::Step => STEP,
        }
    }

    /// A remark that goes into the channel's metadata.
    pub(super) const fn about(self) -> Option<&'static str> {
        match self {
            Self::View => Some("8-bit sRGB PNG of the view, as first drawn; timestamps count one second a step"),
            Self::Depth => Some("16-bit grey PNG of planar depth; depth in metres = 0.1 * 1000 ^ (value / 65535)"),
            Self::Imagined => Some("8-bit sRGB PNG of the key-frame that the model drew for the step"),
            Self::Motion => Some("joint values in radians, lengths in metres, z up; one still every still_secs"),
            Self::Step => Some("the record before this message is acknowledged; state = FNV-1a 64 chain"),
            _ => None,
        }
    }
}

const SESSION: &str = r#"{"type":"object","title":"rhea.Session","properties":{
"rhea":{"type":"string"},"format":{"type":"integer"},"model":{"type":"string"},"model_hash":{"type":["string","null"]},
"camera":{"type":"object","properties":{"width":{"type":"integer"},"height":{"type":"integer"},"fov_x_rad":{"type":"number"}}},
"seed":{"type":"integer"},"start":{"type":"string"},"world":{"type":"string"}}}"#;

const COMMAND: &str = r#"{"type":"object","title":"rhea.Command","properties":{
"record":{"type":"integer"},"kind":{"type":"string","enum":["start","step","undo","cancelled","blocked","failed","note"]},
"step":{"type":"integer"},"text":{"type":"string"},"note":{"type":["string","null"]}}}"#;

const POSE: &str = r#"{"type":"object","title":"rhea.Pose","properties":{
"position_m":{"type":"array","items":{"type":"number"},"minItems":3,"maxItems":3},
"yaw_rad":{"type":"number"},"pitch_rad":{"type":"number"}}}"#;

const RECALL: &str = r#"{"type":"object","title":"rhea.Recall","properties":{
"sources":{"type":"array","items":{"type":"integer"}},"coverage":{"type":"number"},"lineage":{"type":"integer"},
"agreement_db":{"type":["number","null"]}}}"#;

const CHECK: &str = r#"{"type":"object","title":"rhea.Check","properties":{
"verdict":{"type":"string","enum":["new","extended","revisited","repaired","composite","reopened","doubtful"]},
"candidates":{"type":"array","items":{"type":"object","properties":{"kind":{"type":"string","enum":["drawn","redrawn","witness","composite"]},
"seed":{"type":"integer"},"worst":{"type":"number"},"bad_cells":{"type":"integer"}}}},
"chosen":{"type":"integer"},"cells":{"type":"array","items":{"type":["number","null"]}},
"fresh_share":{"type":"number"},"reopened_m":{"type":["array","null"],"items":{"type":"number"}}}}"#;

const TOKENS: &str = r#"{"type":"object","title":"rhea.Tokens","properties":{
"rows":{"type":"integer"},"cols":{"type":"integer"},"codes":{"type":"array","items":{"type":"integer"}}}}"#;

const NARRATION: &str = r#"{"type":"object","title":"rhea.Narration","properties":{
"text":{"type":"string"},"cut":{"type":"boolean"}}}"#;

const REPORT: &str = r#"{"type":"object","title":"rhea.Report","properties":{
"executed":{"type":"boolean"},"report":{"type":"object","properties":{"step":{"type":"integer"},"text":{"type":"string"},
"verdict":{"type":"string"},"first_code":{"type":["string","null"]},"says":{"type":"string"},
"checks":{"type":"array","items":{"type":"object"}}}}}}"#;

const MOTION: &str = r#"{"type":"object","title":"rhea.Motion","properties":{
"still_secs":{"type":"number"},"stills":{"type":"array","items":{"type":"object","properties":{
"q":{"type":"array","items":{"type":"array","items":{"type":"number"}}},"opening_m":{"type":"array","items":{"type":"number"}},
"things":{"type":"array","items":{"type":"object"}},"tray_m":{"type":"array","items":{"type":"number"}}}}}}}"#;

const WORLD: &str = r#"{"type":"object","title":"rhea.World","properties":{
"snapshot":{"type":"string","contentEncoding":"base64"}}}"#;

const END: &str = r#"{"type":"object","title":"rhea.End","properties":{
"good":{"type":"boolean"},"goals":{"type":"array","items":{"type":"object"}},"account":{"type":["object","null"]}}}"#;

const STEP: &str = r#"{"type":"object","title":"rhea.Step","properties":{
"record":{"type":"integer"},"state":{"type":"string"},
"timings":{"type":"object","properties":{"recall_secs":{"type":"number"},"imagine_secs":{"type":"number"},
"narrate_secs":{"type":"number"}}}}}"#;

/// Foxglove's published schema of this name, so that its image panel opens the pictures.
const COMPRESSED_IMAGE: &str = r#"{"title":"foxglove.CompressedImage","description":"A compressed image","type":"object","properties":{
"timestamp":{"type":"object","title":"time","properties":{"sec":{"type":"integer","minimum":0},
"nsec":{"type":"integer","minimum":0,"maximum":999999999}},"description":"Timestamp of image"},
"frame_id":{"type":"string","description":"Frame of reference for the image."},
"data":{"type":"string","contentEncoding":"base64","description":"Compressed image data"},
"format":{"type":"string","description":"Image format"}}}"#;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_schema_is_json_and_every_topic_is_found_again() {
        for channel in Channel::ALL {
            let schema: serde_json::Value = serde_json::from_str(channel.schema()).unwrap();
            assert_eq!(schema["title"], channel.schema_name());
            assert_eq!(Channel::of_topic(channel.topic()), Some(channel));
        }
    }
}
