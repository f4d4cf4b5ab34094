package sagelab.s3

import java.io.{File, FileNotFoundException, IOException}
import java.net.URI
import java.util.concurrent.CompletableFuture

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs._
import org.apache.hadoop.fs.impl.OpenFileParameters
import org.apache.hadoop.fs.permission.FsPermission
import org.apache.hadoop.util.{LambdaUtils, Progressable}

/** A file of S3: with its tag, by which a reader knows that it is still the same. */
final class S3Status(val tag: String, size: Long, folder: Boolean, block: Long, modified: Long, path: Path)
    extends FileStatus(size, folder, 1, block, modified, modified, null, S3Status.user, S3Status.user, path)

object S3Status {
  private val user = System.getProperty("user.name", "root")
}

/** Hadoop's view of a bucket: s3://, s3a:// and s3n://. A folder is what keys have in common up to a slash, or an
  * empty object whose key ends with one. A rename is a copy and a delete.
  */
final class S3FileSystem extends FileSystem {
  private var uri: URI = _
  private var home: Path = _
  private var workingFolder: Path = _
  private var blockSize = 32L << 20
  private var largestRead = 8 << 20
  private var part = 16L << 20
  private var folder: File = _
  var bucket: Bucket = _

  override def initialize(name: URI, conf: Configuration): Unit = {
    super.initialize(name, conf)
    setConf(conf)
    if (name.getAuthority == null) throw new IOException(s"$name names no bucket")
    uri = URI.create(s"${name.getScheme}://${name.getRawAuthority}")
    home = new Path("/user", System.getProperty("user.name", "root")).makeQualified(uri, null)
    workingFolder = home
    blockSize = conf.getLongBytes("fs.s3a.block.size", blockSize)
    part = math.max(5L << 20, conf.getLongBytes("fs.s3a.multipart.size", part))
    largestRead = math.max(1 << 20, conf.getLongBytes("fs.sagelab.read.maximum", largestRead.toLong).toInt)
    folder = new File(Option(conf.getTrimmed("fs.sagelab.buffer.dir")).getOrElse(System.getProperty("java.io.tmpdir")))
    bucket = new Bucket(name.getAuthority, conf)
  }

  override def getScheme: String = uri.getScheme
  override def getUri: URI = uri
  override def getHomeDirectory: Path = home
  override def getWorkingDirectory: Path = workingFolder
  override def setWorkingDirectory(path: Path): Unit = workingFolder = path
  override def getDefaultBlockSize(path: Path): Long = blockSize
  override def getDefaultBlockSize: Long = blockSize
  override def getCanonicalServiceName: String = null

  override def hasPathCapability(path: Path, name: String): Boolean =
    name == CommonPathCapabilities.ABORTABLE_STREAM || super.hasPathCapability(path, name)

  /** Of a path of this bucket; the bucket itself has an empty one. */
  def key(path: Path): String = {
    val whole = makeQualified(path)
    checkPath(whole)
    whole.toUri.getPath.stripPrefix("/")
  }

  private def path(key: String): Path = new Path(uri.getScheme, uri.getAuthority, s"/$key")
  private def below(key: String): String = if (key.isEmpty) "" else s"$key/"

  private def file(entry: Entry, path: Path): S3Status =
    new S3Status(entry.tag, entry.size, false, blockSize, entry.modified, path)

  private def folder(path: Path): S3Status = new S3Status("", 0, true, blockSize, 0, path)

  private def missing(path: Path) = new FileNotFoundException(s"No such file or directory: $path")

  // What is there

  override def getFileStatus(path: Path): FileStatus = {
    val whole = makeQualified(path)
    probe(whole).getOrElse(throw missing(whole))
  }

  private def probe(path: Path): Option[S3Status] = {
    val name = key(path)
    probeFile(path).orElse {
      val page = bucket.list(below(name), deep = true, most = 1)
      if (name.isEmpty || page.entries.nonEmpty) Some(folder(path)) else None
    }
  }

  private def probeFile(path: Path): Option[S3Status] = {
    val name = key(path)
    Uncommitted.find(bucket.name, name) match {
      case _ if name.isEmpty => None
      case Some((attempt, target)) => attempt.get(target).map(one => file(Entry(name, one.length, 0, ""), path))
      case None => bucket.head(name).map(file(_, path))
    }
  }

  override def exists(path: Path): Boolean = probe(makeQualified(path)).nonEmpty

  override def listStatus(path: Path): Array[FileStatus] = {
    val whole = makeQualified(path)
    val prefix = below(key(whole))
    var found = false
    val statuses = bucket.pages(prefix, deep = false).flatMap { page =>
      found ||= page.entries.nonEmpty || page.prefixes.nonEmpty
      val folders = page.prefixes.filter(named(_, prefix)).map(one => folder(this.path(one.stripSuffix("/"))))
      folders ++ page.entries.filter(one => named(one.key, prefix)).map(one => file(one, this.path(one.key)))
    }.toArray[FileStatus]
    if (statuses.nonEmpty || found || prefix.isEmpty) statuses
    else Array(probeFile(whole).getOrElse(throw missing(whole)))
  }

  /** Whether a path of Hadoop's leads to a key: none has an empty part, "." or "..", by which it would lead elsewhere. */
  private def named(key: String, prefix: String): Boolean = {
    val rest = key.drop(prefix.length).stripSuffix("/")
    rest.nonEmpty && !rest.split("/", -1).exists(part => part.isEmpty || part == "." || part == "..")
  }

  override def listFiles(path: Path, recursive: Boolean): RemoteIterator[LocatedFileStatus] =
    if (!recursive) super.listFiles(path, recursive)
    else {
      val whole = makeQualified(path)
      val prefix = below(key(whole))
      val pages = bucket.pages(prefix, deep = true).buffered
      if (prefix.nonEmpty && pages.head.entries.isEmpty)
        files(Iterator(probeFile(whole).getOrElse(throw missing(whole))))
      else files(pages.flatMap(_.entries).filter(one => !one.key.endsWith("/") && named(one.key, prefix)).map { one =>
        file(one, this.path(one.key))
      })
    }

  private def files(found: Iterator[S3Status]): RemoteIterator[LocatedFileStatus] =
    new RemoteIterator[LocatedFileStatus] {
      override def hasNext: Boolean = found.hasNext
      override def next(): LocatedFileStatus = {
        val one = found.next()
        new LocatedFileStatus(one, getFileBlockLocations(one, 0, one.getLen))
      }
    }

  // Reading and writing

  override def open(path: Path, buffer: Int): FSDataInputStream = {
    val whole = makeQualified(path)
    probe(whole) match {
      case None => throw missing(whole)
      case Some(status) if status.isDirectory => throw new FileNotFoundException(s"$whole is a directory")
      case Some(status) => read(whole, status)
    }
  }

  private def read(path: Path, status: FileStatus): FSDataInputStream = {
    val tag = status match { case own: S3Status => own.tag; case _ => "" }
    new FSDataInputStream(new Input(bucket, Entry(key(path), status.getLen, 0, tag), largestRead, given))
  }

  /** By this Spark knows what its tasks read. */
  private def given(count: Long): Unit = if (statistics != null) statistics.incrementBytesRead(count)

  /** Whoever has listed a file need not ask for it again. */
  override protected def openFileWithOptions(
      path: Path, parameters: OpenFileParameters
  ): CompletableFuture[FSDataInputStream] = {
    val status = Option(parameters.getStatus).filter(one => one.isFile && one.getLen > 0)
    LambdaUtils.eval(new CompletableFuture[FSDataInputStream], () => {
      val whole = makeQualified(path)
      status.fold(open(whole, parameters.getBufferSize))(read(whole, _))
    })
  }

  override def create(
      path: Path, permission: FsPermission, overwrite: Boolean, buffer: Int, replication: Short, block: Long,
      progress: Progressable
  ): FSDataOutputStream = {
    val whole = makeQualified(path)
    val name = key(whole)
    if (name.isEmpty) throw new FileAlreadyExistsException(s"$whole is a directory")
    Uncommitted.find(bucket.name, name) match {
      case Some((attempt, target)) => stream(target, fresh = false, Some(attempt))
      case None =>
        probe(whole).foreach { status =>
          if (status.isDirectory) throw new FileAlreadyExistsException(s"$whole is a directory")
          if (!overwrite) throw new FileAlreadyExistsException(s"$whole already exists")
        }
        stream(name, !overwrite, None)
    }
  }

  private def stream(name: String, fresh: Boolean, kept: Option[Uncommitted]): FSDataOutputStream =
    new FSDataOutputStream(new Output(bucket, name, Writing(part, folder, fresh), kept), statistics)

  override def createNonRecursive(
      path: Path, permission: FsPermission, flags: java.util.EnumSet[CreateFlag], buffer: Int, replication: Short,
      block: Long, progress: Progressable
  ): FSDataOutputStream =
    create(path, permission, flags.contains(CreateFlag.OVERWRITE), buffer, replication, block, progress)

  override def append(path: Path, buffer: Int, progress: Progressable): FSDataOutputStream =
    throw new UnsupportedOperationException("S3 has no append")

  override def mkdirs(path: Path, permission: FsPermission): Boolean = {
    val whole = makeQualified(path)
    if (Uncommitted.find(bucket.name, s"${key(whole)}/-").isEmpty) makeFolder(whole)
    true
  }

  private def makeFolder(path: Path): Unit = probe(path) match {
    case Some(status) if status.isDirectory =>
    case Some(_) => throw new FileAlreadyExistsException(s"$path is a file")
    case None =>
      Iterator.iterate(path.getParent)(_.getParent).takeWhile(_ != null).map(one => one -> probe(one))
        .find(_._2.nonEmpty)
        .collect { case (one, Some(status)) if status.isFile => throw new FileAlreadyExistsException(s"$one is a file") }
      bucket.put(s"${key(path)}/", Body.empty)
  }

  // Removing and renaming

  override def delete(path: Path, recursive: Boolean): Boolean = {
    val whole = makeQualified(path)
    val name = key(whole)
    Uncommitted.find(bucket.name, name) match {
      case Some((attempt, target)) => attempt.remove(target).map(one => bucket.abort(target, one.upload)).nonEmpty
      case None => probe(whole).exists(status => deleteFound(whole, status, recursive))
    }
  }

  private def deleteFound(path: Path, status: FileStatus, recursive: Boolean): Boolean = {
    val name = key(path)
    if (status.isFile) bucket.delete(name)
    else {
      if (!recursive && bucket.list(below(name), deep = true, most = 2).entries.exists(_.key != below(name)))
        throw new PathIsNotEmptyDirectoryException(path.toString)
      if (name.isEmpty && !recursive) return false
      remove(path)
    }
    keepParent(path)
    true
  }

  /** All that is below a path, by the keys themselves. */
  def remove(path: Path): Unit =
    bucket.delete(bucket.pages(below(key(path)), deep = true).flatMap(_.entries).map(_.key))

  /** Whoever removes the last file of a folder still has the folder. */
  private def keepParent(path: Path): Unit = Option(path.getParent).map(key).filter(_.nonEmpty).foreach { parent =>
    if (bucket.list(below(parent), deep = true, most = 1).entries.isEmpty) bucket.put(below(parent), Body.empty)
  }

  override def rename(from: Path, to: Path): Boolean = {
    val (source, target) = (makeQualified(from), makeQualified(to))
    if (key(source).isEmpty) return false
    val status = getFileStatus(source)
    destination(source, target) match {
      case None => false
      case Some(place) if place == source => true
      case Some(place) =>
        move(source, status, place)
        keepParent(source)
        true
    }
  }

  /** Where a rename leads; None: nowhere. */
  private def destination(source: Path, target: Path): Option[Path] =
    if (s"${key(target)}/".startsWith(s"${key(source)}/") && target != source) None
    else probe(target) match {
      case Some(found) if found.isFile => if (target == source) Some(target) else None
      case Some(_) =>
        val inside = new Path(target, source.getName)
        if (target == source) Some(target) else if (probe(inside).exists(holds)) None else Some(inside)
      case None => if (parents(target).exists(one => probeFile(one).nonEmpty)) None else Some(target)
    }

  private def holds(status: FileStatus): Boolean =
    status.isFile || bucket.list(below(key(status.getPath)), deep = true, most = 2).entries.exists(!_.key.endsWith("/"))

  private def parents(path: Path): Iterator[Path] =
    Option(path.getParent).filter(key(_).nonEmpty).iterator

  private def move(source: Path, status: FileStatus, target: Path): Unit = {
    val (old, fresh) = (key(source), key(target))
    if (status.isFile) {
      bucket.copy(Entry(old, status.getLen, 0, ""), fresh)
      bucket.delete(old)
    } else bucket.pages(below(old), deep = true).foreach { page => // what is copied is removed, page by page
      val (small, large) = page.entries.partition(_.size <= (64L << 20))
      Bucket.sideBySide(small.map(one => () => bucket.copy(one, fresh + one.key.drop(old.length))))
      large.foreach(one => bucket.copy(one, fresh + one.key.drop(old.length)))
      bucket.delete(page.entries.iterator.map(_.key))
    }
  }
}

/** The same for programs that come by FileContext. */
final class S3Context(uri: URI, conf: Configuration)
    extends DelegateToFileSystem(uri, new S3FileSystem, conf, uri.getScheme, false) {
  override def getUriDefaultPort: Int = -1
}
