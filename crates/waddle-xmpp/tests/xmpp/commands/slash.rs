//! Slash commands of a community in the menu of its rooms (XEP-0050, `specs/integrations.md`).

use super::{COMMANDS, ITEMS};
use crate::support::{text, world};

/// Carries out `/echo`.
#[derive(Debug)]
struct Echoes;

impl waddle_muc::SlashCommands for Echoes {
    fn is_command(&self, _: waddle_core::WaddleId, text: &str) -> bool {
        text.starts_with("/echo")
    }

    fn run(&self, typed: waddle_muc::Typed) {
        typed.whisper.say("Echo (bot)", &typed.text);
    }

    fn list(&self, _: waddle_core::WaddleId) -> Vec<waddle_muc::SlashCommand> {
        vec![waddle_muc::SlashCommand {
            name: "echo".into(),
            description: "says it again".into(),
            options: vec![waddle_muc::SlashOption {
                name: "what".into(),
                description: "What to say".into(),
                required: true,
                boolean: false,
                choices: Vec::new(),
            }],
        }]
    }

    fn call(
        &self,
        call: waddle_muc::SlashCall,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        Box::pin(async move { Ok([&call.nick, " said ", &call.line].concat()) })
    }
}

/// XEP-0050: a stock client runs a community's slash commands from the menu of the channel's room.
#[tokio::test]
async fn slash_commands_are_commands_of_their_room() {
    let w = world().await;
    w.rooms.set_slash_commands(std::sync::Arc::new(Echoes));
    w.account("alice").await;
    w.account("eve").await;
    let new = waddle_community::NewWaddle::new("tea".parse().unwrap(), "Tea");
    let alice = waddle_core::UserId::local("alice");
    w.community.create_waddle(&alice, new).await.unwrap();
    let room = "tea.general@muc.waddle.test";
    let list = format!("<iq type='get' id='l' to='{room}'><query xmlns='{ITEMS}' node='{COMMANDS}'/></iq>");
    let mut stranger = w.online("eve", "one").await;
    let refused = stranger.request(&list).await;
    assert!(
        !text(&refused).contains("urn:waddle:command#run"),
        "{}",
        text(&refused)
    );
    let mut c = w.online("alice", "one").await;
    let shown = c.request(&list).await;
    assert!(
        text(&shown).contains("urn:waddle:command#run"),
        "{}",
        text(&shown)
    );
    let step = |session: &str, action: &str, fields: &str| {
        let form = if fields.is_empty() {
            String::new()
        } else {
            format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>")
        };
        format!(
            "<iq type='set' id='s' to='{room}'><command xmlns='{COMMANDS}' node='urn:waddle:command#run'{session}{action}>{form}</command></iq>"
        )
    };
    let menu = c.request(&step("", "", "")).await;
    assert!(text(&menu).contains("/echo – says it again"), "{}", text(&menu));
    let id = menu.payload().unwrap().attr("sessionid").unwrap().into_owned();
    let session = format!(" sessionid='{id}'");
    let chosen = "<field var='command'><value>echo</value></field>";
    let form = c.request(&step(&session, " action='next'", chosen)).await;
    assert!(text(&form).contains("What to say"), "{}", text(&form));
    let filled = "<field var='what'><value>hello you</value></field>";
    let done = c.request(&step(&session, " action='complete'", filled)).await;
    assert!(text(&done).contains("alice said /echo what:"), "{}", text(&done));
    assert!(text(&done).contains("status=\"completed\""), "{}", text(&done));
    // typed in the room, it is whispered to whoever typed it
    c.send(&format!(
        "<presence to='{room}/Alice'><x xmlns='http://jabber.org/protocol/muc'/></presence>\
         <message type='groupchat' to='{room}' id='m'><body>/echo x</body></message>"
    ))
    .await;
    let got = loop {
        let m = c.message().await;
        if text(&m).contains("/echo x") {
            break m;
        }
    };
    assert_eq!(got.type_().unwrap(), "chat");
    assert!(
        text(&got).contains("no-store") && text(&got).contains("Echo (bot)"),
        "{}",
        text(&got)
    );
}
