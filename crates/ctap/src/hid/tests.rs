mod channel;
mod device;
mod framing;
