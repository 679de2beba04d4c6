//! URIs and data URIs.

use super::string::decode;
use super::{Arguments, Function, Outcome};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use url::Url;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("buildUri", 1, 1, build_uri),
    Function::plain("dataUri", 1, 1, |arguments| Ok(data_uri(arguments))),
    Function::plain("dataUriToString", 1, 1, data_uri_to_string),
    Function::plain("parseUri", 1, 1, parse_uri),
    Function::plain("uri", 2, 2, uri),
    Function::plain("uriComponent", 1, 1, uri_component),
    Function::plain("uriComponentToString", 1, 1, uri_component_to_string),
];

fn data_uri(mut arguments: Arguments) -> Value {
    let (media, text) = match arguments.take(0) {
        Value::String(text) => ("text/plain", text),
        other => ("application/json", other.to_string()),
    };
    format!("data:{media};charset=utf8;base64,{}", STANDARD.encode(text)).into()
}

fn data_uri_to_string(mut arguments: Arguments) -> Outcome {
    let text = arguments.string(0)?;
    let Some((header, body)) = text.strip_prefix("data:").and_then(|rest| rest.split_once(',')) else {
        return Err(arguments.error("the value is not a valid data URI"));
    };
    if header.to_lowercase().split(';').any(|part| part.trim() == "base64") {
        return Ok(decode(&arguments, body)?.into());
    }
    Ok(percent_decode(body, false).into())
}

/// Data escaping of RFC 3986: everything but the unreserved characters.
pub(super) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

pub(crate) fn percent_decode(text: &str, plus_is_space: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = text.get(at + 1..at + 3).filter(|pair| pair.bytes().all(|b| b.is_ascii_hexdigit()));
        match (bytes[at], pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                at += 3;
                continue;
            }
            (b'+', _) if plus_is_space => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn uri_component(mut arguments: Arguments) -> Outcome {
    Ok(percent_encode(&arguments.string(0)?).into())
}

fn uri_component_to_string(mut arguments: Arguments) -> Outcome {
    Ok(percent_decode(&arguments.string(0)?, true).into())
}

fn uri(mut arguments: Arguments) -> Outcome {
    let (base, relative) = (arguments.string(0)?, arguments.string(1)?);
    let joined = Url::parse(&base).and_then(|base| base.join(&relative));
    joined.map(|joined| String::from(joined).into()).map_err(|_| {
        arguments.error(format_args!("'{base}' is not an absolute URI or '{relative}' does not fit to it"))
    })
}

fn parse_uri(mut arguments: Arguments) -> Outcome {
    let text = arguments.string(0)?;
    let Ok(url) = Url::parse(&text) else {
        return Err(arguments.error(format_args!("'{text}' is not an absolute URI")));
    };
    let mut parts = Map::new();
    parts.insert("scheme".to_owned(), url.scheme().into());
    parts.insert("host".to_owned(), url.host_str().unwrap_or_default().into());
    parts.insert("port".to_owned(), json!(url.port_or_known_default().map_or(-1, i32::from)));
    parts.insert("path".to_owned(), url.path().into());
    parts.insert("query".to_owned(), url.query().map(|query| format!("?{query}")).unwrap_or_default().into());
    Ok(Value::Object(parts))
}

fn build_uri(mut arguments: Arguments) -> Outcome {
    let parts = arguments.object(0)?;
    let text =
        |name: &str| crate::value::get(&parts, name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (scheme, host) = (text("scheme"), text("host"));
    if scheme.is_empty() || host.is_empty() {
        return Err(arguments.error("the object needs the properties 'scheme' and 'host'"));
    }
    let port = crate::value::get(&parts, "port").and_then(Value::as_i64).filter(|port| *port >= 0);
    let mut built = format!("{scheme}://{host}");
    if let Some(port) = port {
        let _ = write!(built, ":{port}");
    }
    let (path, query) = (text("path"), text("query"));
    if !path.starts_with('/') {
        built.push('/');
    }
    built.push_str(&path);
    if !query.is_empty() {
        let _ = write!(built, "?{}", query.trim_start_matches('?'));
    }
    match Url::parse(&built) {
        Ok(url) => Ok(String::from(url).into()),
        Err(_) => Err(arguments.error(format_args!("'{built}' is not a valid URI"))),
    }
}
