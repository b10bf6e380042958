//! [XEP-0198](https://xmpp.org/extensions/xep-0198.html) Stream Management: the feature; the work is the connection's.

use waddle_stanza::{XmlWriter, ns};

use super::{Extension, Xep};
use crate::server::Server;

/// Acknowledgements and resumption.
pub struct StreamManagement;

impl Extension for StreamManagement {
    fn xep(&self) -> Xep {
        Xep {
            number: 198,
            title: "Stream Management",
            version: "1.6.2",
            notes: "acknowledgements and resumption; what was not acknowledged waits or goes to another session",
        }
    }

    fn stream_features(&self, _: &Server, out: &mut XmlWriter) {
        out.open_ns("sm", ns::SM).open("optional").close().close();
    }
}
