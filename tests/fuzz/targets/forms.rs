//! Data forms (XEP-0004): whatever is read can be written, and reads the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waddle_stanza::{Stanza, XmlWriter, forms::Form};

fn written(form: &Form) -> Stanza {
    let mut w = XmlWriter::new();
    form.write(&mut w);
    Stanza::parse(w.finish()).expect("what is written is XML")
}

fuzz_target!(|data: &[u8]| {
    let Ok(stanza) = Stanza::parse(data.to_vec().into()) else {
        return;
    };
    let root = stanza.root();
    let Some(form) = Form::read(root).or_else(|| Form::within(root)) else {
        return;
    };
    let again = Form::read(written(&form).root()).expect("a form");
    assert_eq!(again, form);
    for field in &form.fields {
        if let Some(var) = &field.var {
            let first = form.get(var).expect("a field of that name");
            assert_eq!(form.values(var), &first.values[..]);
            if form.flag(var).is_some() {
                assert!(matches!(form.value(var), Some("0" | "1" | "true" | "false")));
            }
        }
    }
});
