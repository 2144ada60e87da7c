//! Files of the page.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Name below `/page/`.
    pub name: &'static str,
    /// Content type.
    pub content_type: &'static str,
    /// Content.
    pub text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

impl Asset {
    /// A short text that differs between contents, for caches.
    pub fn tag(&self) -> String {
        // FNV-1a, 64 bits.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        format!("\"{:016x}\"", self.text.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
    }
}

/// Declares the files from one list of names and content types.
macro_rules! assets {
    ($($name:literal => $content_type:expr,)+) => {
        /// All files other than the page itself. Scripts stand before those that import them.
        pub const ASSETS: &[Asset] = &[
            $(Asset { name: $name, content_type: $content_type, text: include_str!(concat!("../static/", $name)) },)+
        ];
    };
}

assets! {
    "uplot.js" => SCRIPT,
    "uplot.css" => STYLE,
    "style.css" => STYLE,
    "dom.js" => SCRIPT,
    "format.js" => SCRIPT,
    "topics.js" => SCRIPT,
    "payload.js" => SCRIPT,
    "api.js" => SCRIPT,
    "change_log.js" => SCRIPT,
    "store.js" => SCRIPT,
    "problems.js" => SCRIPT,
    "plots.js" => SCRIPT,
    "schema_form.js" => SCRIPT,
    "view_fleet.js" => SCRIPT,
    "map_colours.js" => SCRIPT,
    "map_layout.js" => SCRIPT,
    "map_messages.js" => SCRIPT,
    "map_paint.js" => SCRIPT,
    "view_map.js" => SCRIPT,
    "device_forms.js" => SCRIPT,
    "view_device.js" => SCRIPT,
    "view_journey.js" => SCRIPT,
    "view_messages.js" => SCRIPT,
    "view_faults.js" => SCRIPT,
    "view_behaviours.js" => SCRIPT,
    "view_compare.js" => SCRIPT,
    "time_bar.js" => SCRIPT,
    "app.js" => SCRIPT,
}

/// The page itself.
pub const INDEX: &str = include_str!("../static/index.html");

/// The page for finished runs, which `/runs` lists.
pub fn index_of_viewer() -> String {
    INDEX.replace("name=\"mode\" content=\"live\"", "name=\"mode\" content=\"view\"")
}

/// Content security policy of the page: only its own files, and only this host.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The file of a name.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn files_of_others_are_as_the_documentation_says() {
        let documentation = include_str!("../../../docs/page.md");
        for name in ["uplot.js", "uplot.css"] {
            let digest = Sha256::digest(asset(name).unwrap().text);
            let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(documentation.contains(&text), "{name}: {text}");
        }
    }

    #[test]
    fn the_page_names_only_files_that_exist() {
        for part in INDEX.split("\"/page/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(asset(name).is_some(), "{name}");
        }
        assert!(index_of_viewer().contains("content=\"view\""));
    }
}
