//! Every behaviour script of `tests/scripts/`, a test each.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod play;

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                play::play(include_str!(concat!("scripts/", stringify!($name), ".txt"))).await;
            }
        )*

        #[test]
        fn every_script_is_played() {
            let mut listed = vec![$(concat!(stringify!($name), ".txt")),*];
            listed.sort_unstable();
            let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scripts");
            let mut there: Vec<String> = std::fs::read_dir(dir)
                .unwrap()
                .map(|f| f.unwrap().file_name().into_string().unwrap())
                .collect();
            there.sort();
            assert_eq!(there, listed);
        }
    };
}

scripts! {
    admin
    affiliations
    archive
    avatar
    broadcast
    channel_access
    channel_admin
    channel_config
    channel_register
    channel_roles
    channel_subject
    config
    config_people
    create
    crowd
    destroy
    disco
    forged
    ghosts
    groupchat
    history
    invite
    invite_channel
    join_errors
    leave
    lists
    live_changes
    max_users
    moderate
    multi_session
    nick
    ping
    post
    private
    private_modes
    register
    register_approval
    relay
    restart
    subject
    voice
}
