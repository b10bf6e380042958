//! Binding of listeners: one line of cause and remedy when an address cannot be had.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

use crate::{config::Listen, exit::Exit};

/// Pending connections that the kernel keeps for one listener.
const BACKLOG: u32 = 1024;

/// A listener that could not be bound: one line naming it, the cause and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{name}: cannot listen on {addr}: {cause}")]
pub struct BindError {
    name: &'static str,
    addr: SocketAddr,
    cause: String,
}

/// Binds all addresses of one listener, named as in the configuration.
pub fn bind(name: &'static str, listen: &Listen) -> Result<Vec<TcpListener>, BindError> {
    listen
        .0
        .iter()
        .map(|&addr| {
            bind_one(addr).map_err(|e| BindError {
                name,
                addr,
                cause: explain(&e, addr),
            })
        })
        .collect()
}

/// Why the XMPP server did not start.
pub fn xmpp(e: waddle_xmpp::Error) -> Exit {
    match e {
        waddle_xmpp::Error::Listen {
            listener,
            address,
            source,
        } => BindError {
            name: listener,
            addr: address,
            cause: explain(&source, address),
        }
        .into(),
        e => anyhow::Error::new(e).into(),
    }
}

/// Why the broker did not start.
pub fn mqtt(e: waddle_mqtt::Error) -> Exit {
    match e {
        waddle_mqtt::Error::Listen { addr, source } => BindError {
            name: "mqtt_listen or mqtts_listen",
            addr,
            cause: explain(&source, addr),
        }
        .into(),
        e => anyhow::Error::new(e).into(),
    }
}

fn bind_one(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

fn explain(e: &io::Error, addr: SocketAddr) -> String {
    match e.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is in use; stop the other program, or choose another port (0 picks a free one)".into()
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "port {} needs a privilege; use a port over 1023 or grant CAP_NET_BIND_SERVICE",
                addr.port()
            )
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        _ => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_one_clear_line() {
        let any = Listen(vec!["127.0.0.1:0".parse().unwrap()]);
        let first = bind("http_listen", &any).unwrap();
        let taken = Listen(vec![first[0].local_addr().unwrap()]);
        let e = bind("http_listen", &taken).unwrap_err().to_string();
        assert!(
            e.starts_with("http_listen: cannot listen on 127.0.0.1:") && e.contains("in use"),
            "{e}"
        );
    }
}
