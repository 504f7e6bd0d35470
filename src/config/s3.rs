//! Where media is kept when it is not on the disk.

use std::path::PathBuf;

use url::Url;

use super::rule::any;
use super::section::section;

section! {
    /// `[s3]`
    S3 in "s3" {
        /// The bucket that keeps media. Without one, media is in the folder of the data. Files on
        /// their way in are there in any case.
        bucket: Option<String> = None, any(), Restart;
        /// The server that has the bucket; without one, Amazon's of the region.
        endpoint: Option<Url> = None, any(), Restart;
        /// The region that requests are signed for.
        region: String = "us-east-1".to_owned(), any(), Restart;
        /// Names the bucket in the path of an address, as most servers want it, and not before
        /// the name of the host.
        path_style: bool = true, any(), Restart;
        /// A file with the key, in the two lines `AWS_ACCESS_KEY_ID=...` and
        /// `AWS_SECRET_ACCESS_KEY=...`. Without it, the systemd credential `s3` if there is one,
        /// else those two variables.
        key_file: Option<PathBuf> = None, any(), Restart;
    }
}
